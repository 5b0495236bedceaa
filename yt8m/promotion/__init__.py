"""The champion: which model is in force, how one takes its place, and how to return to the one before."""

from yt8m.promotion.promote import Terms, promote, settle
from yt8m.promotion.rollback import roll_back, show
from yt8m.promotion.verdict import Thresholds
from yt8m.promotion.vertex import VertexTarget

__all__ = ["Terms", "Thresholds", "VertexTarget", "promote", "roll_back", "settle", "show"]
