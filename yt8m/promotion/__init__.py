"""The champion: which model is in force, how one takes its place, and how to return to the one before."""

from yt8m.promotion.contest import Thresholds
from yt8m.promotion.promote import Terms, promote, roll_back, settle, show
from yt8m.promotion.vertex import VertexTarget

__all__ = ["Terms", "Thresholds", "VertexTarget", "promote", "roll_back", "settle", "show"]
