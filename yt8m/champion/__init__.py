"""The champion: which model is in force, how one takes its place, and how to return to the one before."""

from yt8m.champion.promote import Terms, promote, settle
from yt8m.champion.rollback import roll_back, show
from yt8m.champion.verdict import Thresholds
from yt8m.champion.vertex import VertexTarget

__all__ = ["Terms", "Thresholds", "VertexTarget", "promote", "roll_back", "settle", "show"]
