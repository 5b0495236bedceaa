"""Planted faults come back: the shares of the causes, on real label lists."""

from collections import Counter

import numpy as np
import pytest

from tests.evaluation.analysis.conftest import write_training_index
from tests.evaluation.analysis.planted import VOCABULARY, Planter
from yt8m.artifacts import read_table
from yt8m.evaluation.analysis.analyze import analyze
from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.prediction.table import write_predictions

SHARES = {
    "as in practice": (0.15, 0.40, 0.08, 0.15, 0.12, 0.10),
    "mostly doubtful annotations": (0.10, 0.05, 0.05, 0.60, 0.10, 0.10),
    "nothing that a rule explains": (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
}


@pytest.fixture(scope="module")
def planter():
    return Planter()


@pytest.fixture(scope="module")
def index(planter, tmp_path_factory):
    return write_training_index(tmp_path_factory.mktemp("training"), planter.training)


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_planted_faults_come_back_with_their_shares(shares, planter, tmp_path, index, monkeypatch):
    monkeypatch.setattr("yt8m.evaluation.analysis.analyze.render_report", lambda given: "")  # which draws for seconds
    predictions, planted = planter.draw(0.6, dict(zip(CAUSES, shares, strict=True)))
    write_predictions(tmp_path / "predictions.parquet", predictions)
    findings = analyze(tmp_path / "predictions.parquet", tmp_path / "out", index=index, vocabulary=VOCABULARY)
    expected, found = Counter(planted), {row["cause"]: row["share"] for row in findings["causes"]["rows"]}
    print({cause: (expected[cause] / len(planted), found[cause]) for cause in CAUSES}, len(planted))
    assert findings["missed"]["labels"] == len(planted) > 1000
    for cause in CAUSES:
        assert found[cause] == pytest.approx(expected[cause] / len(planted), abs=0.02)
    causes = read_table(tmp_path / "out" / "errors.parquet", "errors")[0]["cause"].to_pylist()
    assert np.mean([one == other for one, other in zip(causes, planted, strict=True)]) > 0.95


@pytest.mark.parametrize("known", ["index", "vocabulary", "nothing"])
def test_a_model_that_knows_the_priors_alone_sees_nothing(planter, tmp_path, index, known):
    write_predictions(tmp_path / "predictions.parquet", planter.priors_alone())
    facts = {"index": (index, None), "vocabulary": (None, VOCABULARY), "nothing": (None, None)}[known]
    explained = explain(read_evaluated(tmp_path / "predictions.parquet", *facts))
    assert explained.counts[CAUSES.index("no_signal")] > 0.99 * len(explained.causes) > 1000
