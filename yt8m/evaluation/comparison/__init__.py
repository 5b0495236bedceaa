"""Is one model better than another? Differences over the same videos, with paired intervals and verdicts."""

from yt8m.evaluation.comparison.gap import GapDifference, Verdict, compare_gap, gap_of, judged, matched, verdict_on
from yt8m.prediction.table import taken

__all__ = ["GapDifference", "Verdict", "compare_gap", "gap_of", "judged", "matched", "taken", "verdict_on"]
