"""What the report is made of."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.evaluation.analysis.examples import Kind


@dataclass(frozen=True)
class ReportInput:
    """The analysis, ready to be shown.

    Attributes:
        evaluated: the predictions.
        findings: what `analysis.json` holds.
        labels: what `labels.csv` holds.
        confusions: as `count_confusions` returns them.
        examples: videos to look at.
    """

    evaluated: Evaluated
    findings: dict[str, Any]
    labels: pd.DataFrame
    confusions: pd.DataFrame
    examples: list[Kind]
