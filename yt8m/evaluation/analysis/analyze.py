"""Error analysis of predictions: a page for people, and the same findings as tables and JSON."""

from typing import Any

import numpy as np
import pandas as pd

from yt8m import artifacts, storage
from yt8m.evaluation.analysis.causes import Explained, explain
from yt8m.evaluation.analysis.confusions import count_confusions, label_table, strongest
from yt8m.evaluation.analysis.cured import cured
from yt8m.evaluation.analysis.evaluated import Evaluated, read_evaluated
from yt8m.evaluation.analysis.examples import example_videos
from yt8m.evaluation.analysis.explanation import explanation
from yt8m.evaluation.analysis.missed import missed_labels, missed_videos, rank_counts
from yt8m.evaluation.analysis.report import render_report
from yt8m.evaluation.analysis.report_input import ReportInput
from yt8m.evaluation.evaluate import calibration
from yt8m.evaluation.influence import gap_influences, normal_interval
from yt8m.evaluation.slices import by_labels, by_number_of_labels, label_buckets, training_buckets, verticals
from yt8m.storage import StrPath

MOST = 30
BEST_AND_WORST = 15
FEW_POSITIVES = 5
CUMULATIVE_AT = (100, 300, 900, 978)


def analyze(
    predictions: StrPath,
    output_dir: StrPath,
    *,
    index: StrPath | None = None,
    vocabulary: StrPath | None = None,
    before: StrPath | None = None,
) -> dict[str, Any]:
    """Explain the errors of predictions.

    Args:
        predictions: a predictions file of a labelled set (see `yt8m.prediction.table`).
        output_dir: gets `report.html`, `errors.parquet` (a row for each missed label), `labels.csv` (a row for each
            label) and `analysis.json` (what is returned).
        index: index of the training videos, for the training counts and for which labels come together; without it the
            vocabulary's counts are taken, and the co-occurrences of the evaluated videos.
        vocabulary: the official CSV, for names and verticals; without it labels are called by their index.
        before: other predictions of the same videos, to say which of the labels that they missed are found now.

    Returns:
        The findings: `metrics`, `missed`, `causes`, `ranks`, `labels`, `imbalance`, `by_number_of_labels`,
        `by_label`, `by_training_count`, `by_vertical`, `calibration`, `best`, `worst`, `most_missed`,
        `confusions`, `cured` (see the function; None without `before`), and where they come from. Ratios without a
        denominator are None.

    Raises:
        InputError: see `read_evaluated`.
    """
    evaluated = read_evaluated(predictions, index, vocabulary)
    confusions = count_confusions(evaluated)
    explained = explain(evaluated)
    labels = label_table(evaluated, confusions, explained)
    findings = _findings(evaluated, labels, confusions, explained)
    findings["cured"] = None
    if before is not None:
        earlier = read_evaluated(before, index, vocabulary)
        findings["cured"] = cured(evaluated, explained, earlier, explain(earlier))
    given = ReportInput(evaluated, findings, labels, confusions, example_videos(evaluated, explained))
    page = render_report(given)
    metadata = {"fingerprint": findings["fingerprint"], "simulated": findings["simulated"]}
    artifacts.write_table(
        storage.join(output_dir, "errors.parquet"), missed_labels(evaluated, explained), "errors", metadata
    )
    storage.write_text(storage.join(output_dir, "labels.csv"), labels.to_csv(index=False, float_format="%.6f"))
    storage.write_json(storage.join(output_dir, "analysis.json"), findings)
    storage.write_text(storage.join(output_dir, "report.html"), page)
    return findings


def _findings(
    evaluated: Evaluated, labels: pd.DataFrame, confusions: pd.DataFrame, explained: Explained
) -> dict[str, Any]:
    metadata = evaluated.predictions.metadata
    sources = {
        "predictions": metadata.get("fingerprint"),
        "index": metadata.get("index"),
        "training_index": evaluated.labels.training_fingerprint,
        "vocabulary": evaluated.labels.vocabulary_fingerprint,
    }
    return {
        "fingerprint": artifacts.fingerprint(["analysis", sources]),
        "inputs": sources,
        "models": metadata.get("models", []),
        "simulated": bool(metadata.get("simulated", False)),
        "metrics": _metrics(evaluated),
        "missed": missed_videos(evaluated),
        "causes": explanation(evaluated, explained),
        "ranks": rank_counts(evaluated),
        "labels": _label_counts(evaluated, labels),
        "imbalance": _imbalance(evaluated),
        "by_number_of_labels": by_number_of_labels(evaluated),
        "by_label": by_labels(evaluated, label_buckets(evaluated.num_classes)),
        "by_training_count": by_labels(evaluated, training_buckets(evaluated.labels)),
        "by_vertical": by_labels(evaluated, verticals(evaluated.labels)),
        "calibration": calibration(evaluated.top_confidences, evaluated.hits),
        **_label_lists(labels),
        "confusions": _top_confusions(evaluated, confusions),
    }


def _metrics(evaluated: Evaluated) -> dict[str, Any]:
    """The scores, with the 95 % interval of GAP over videos."""
    interval = normal_interval(evaluated.result["gap"], gap_influences(evaluated.predictions))
    return {**evaluated.result, **interval.named("gap")}


def _label_counts(evaluated: Evaluated, labels: pd.DataFrame) -> dict[str, int]:
    known = labels["positives"] > 0
    return {
        "classes": evaluated.num_classes,
        "with_positives": int(known.sum()),
        "never_found": int((known & (labels["recall_at_20"] == 0)).sum()),
    }


def _imbalance(evaluated: Evaluated) -> dict[str, Any]:
    """How unevenly label occurrences are spread: the share that falls on the labels below an index (Figure 3)."""
    counts = evaluated.frequencies
    total = max(1, int(counts.sum()))
    return {
        "source": evaluated.labels.source or "the evaluated videos",
        "occurrences": int(counts.sum()),
        "labels_without": int((counts == 0).sum()),
        "share_below_index": {str(at): int(counts[:at].sum()) / total for at in CUMULATIVE_AT if at < len(counts)},
    }


def _label_lists(labels: pd.DataFrame) -> dict[str, Any]:
    """The best and the worst labels by average precision, and the most often missed, as lists of rows."""
    enough = labels[labels["positives"] >= FEW_POSITIVES]
    if len(enough) < 2 * BEST_AND_WORST:
        enough = labels[labels["positives"] > 0]
    worst = enough.sort_values(["average_precision", "positives"], ascending=[True, False], kind="stable")
    best = enough.sort_values(["average_precision", "positives"], ascending=False, kind="stable")
    missed = labels[labels["missed"] > 0].sort_values(["missed", "positives"], ascending=False, kind="stable")
    return {
        "least_positives": int(enough["positives"].min()),
        "best": _rows(best.head(BEST_AND_WORST)),
        "worst": _rows(worst.head(min(BEST_AND_WORST, max(0, len(enough) - BEST_AND_WORST)))),
        "most_missed": _rows(missed.head(MOST)),
    }


def _top_confusions(evaluated: Evaluated, confusions: pd.DataFrame) -> list[dict[str, Any]]:
    """The confusions with the most weight; those that only one video shows come last."""
    chosen = strongest(confusions).assign(once=lambda table: table["videos"] < 2)
    chosen = chosen.sort_values(["once", "weight"], ascending=[True, False], kind="stable").head(MOST)
    names = np.array(evaluated.labels.names)
    named = chosen.assign(name=names[chosen["label"]], instead_name=names[chosen["instead"]])
    return _rows(named.drop(columns="once"))


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: plain numbers, None for what is missing."""
    return [
        {
            str(key): None if pd.isna(value) else getattr(value, "item", lambda v=value: v)()
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]
