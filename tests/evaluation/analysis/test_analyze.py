import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from yt8m.artifacts import read_table
from yt8m.errors import InputError
from yt8m.evaluation.analysis.analyze import analyze
from yt8m.evaluation.evaluate import evaluate

FILES = ["analysis.json", "errors.parquet", "labels.csv", "report.html"]
EVIL = "<script>alert(1)</script>$x$ & co"


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_it_writes_its_files_and_returns_the_findings(full):
    assert sorted(contents(full.folder)) == FILES
    assert json.loads((full.folder / "analysis.json").read_text()) == full.findings


def test_scores_are_those_of_evaluate(full, tmp_path):
    expected = evaluate(full.case.path, tmp_path / "metrics")
    for name in ("gap", "gap_low", "gap_high", "map", "hit_at_1", "perr", "videos", "positives"):
        assert full.findings["metrics"][name] == expected[name]


def test_errors_table_says_what_it_is(full):
    table, metadata = read_table(full.folder / "errors.parquet", "errors")
    assert table.num_rows == full.findings["missed"]["labels"]
    assert metadata["fingerprint"] == full.findings["fingerprint"]


def test_labels_csv_holds_every_label(full):
    table = pd.read_csv(full.folder / "labels.csv", keep_default_na=True)
    assert table["label"].tolist() == list(range(60))
    assert table["missed"].sum() == full.findings["missed"]["labels"]
    known = table["average_precision"].dropna()
    assert known.mean() == pytest.approx(full.findings["metrics"]["map"], abs=1e-6)


def test_every_missed_label_has_its_cause_in_all_files(full):
    folder, findings = full.folder, full.findings
    causes = read_table(folder / "errors.parquet", "errors")[0]["cause"].to_pylist()
    rows = findings["causes"]["rows"]
    assert {row["cause"]: row["labels"] for row in rows if row["labels"]} == Counter(causes)
    assert set(pd.read_csv(folder / "labels.csv")["main_cause"].dropna()) <= set(causes)
    html = (folder / "report.html").read_text()
    for row in rows:
        assert row["name"] in html
    first = next(row for row in rows if row["cause"] == findings["causes"]["first"])
    assert f"First thing to do: {first['remedy']}" in html


def test_the_page_stores_nothing_and_shows_all_without_its_script(full):
    html = (full.folder / "report.html").read_text()
    assert not re.search("localStorage|sessionStorage|indexedDB|document.cookie|fetch\\(", html)
    without = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    for text in ("GAP at stake by cause", "Missed labels by cause", "Would it help to repeat the hard videos?"):
        assert text in without
    assert "hidden" not in re.sub(r"<style>.*?</style>", "", without, flags=re.DOTALL)


def test_best_worst_and_most_missed_by_brute_force(full):
    folder, findings = full.folder, full.findings
    table = pd.read_csv(folder / "labels.csv")
    enough = table[table["positives"] >= findings["least_positives"]]
    best = sorted(enough["average_precision"].round(6), reverse=True)[:15]
    worst = sorted(enough["average_precision"].round(6))[: len(findings["worst"])]
    assert [row["average_precision"] for row in findings["best"]] == pytest.approx(best, abs=1e-6)
    assert [row["average_precision"] for row in findings["worst"]] == pytest.approx(worst, abs=1e-6)
    assert not {row["label"] for row in findings["best"]} & {row["label"] for row in findings["worst"]}
    counts = sorted(table["missed"][table["missed"] > 0], reverse=True)[:30]
    assert [row["missed"] for row in findings["most_missed"]] == counts


def test_imbalance_by_brute_force(make_random_case, training_index, tmp_path):
    case = make_random_case(videos=80, classes=400)
    findings = analyze(case.path, tmp_path / "out", index=training_index(case.lists))
    labels = [label for labels in case.lists for label in labels]
    assert findings["imbalance"]["occurrences"] == len(labels)
    expected = {"100": np.mean(np.array(labels) < 100), "300": np.mean(np.array(labels) < 300)}
    assert findings["imbalance"]["share_below_index"] == pytest.approx(expected)
    assert findings["imbalance"]["labels_without"] == 400 - len(set(labels))


def test_the_same_input_gives_the_same_bytes(full, tmp_path):
    analyze(full.case.path, tmp_path / "again", **full.options)
    assert contents(tmp_path / "again") == contents(full.folder)


def test_names_from_the_vocabulary_are_escaped(case, vocabulary, tmp_path):
    analyze(case.path, tmp_path / "out", vocabulary=vocabulary(names=[f"{EVIL} {i}" for i in range(60)]))
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count("<script>") == 1
    assert "alert(1)</script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;$x$ &amp; co 0" in html


def test_the_report_needs_nothing_else(full):
    html = (full.folder / "report.html").read_text()
    assert not re.search(r"https?://|src=|@import", html)
    assert not re.search(r"\bnan\b|\bNone\b", html)
    assert set(re.findall(r'href="([^"]*)"', html)) >= {"#s1", "#s10"}


def test_simulated_frames_are_announced(make_random_case, tmp_path):
    findings = analyze(make_random_case(simulated=True).path, tmp_path / "out")
    assert findings["simulated"]
    assert "Simulated frames." in (tmp_path / "out" / "report.html").read_text()
    assert read_table(tmp_path / "out" / "errors.parquet", "errors")[1]["simulated"]


def test_without_vocabulary_and_index(case, tmp_path):
    findings = analyze(case.path, tmp_path / "out")
    assert findings["by_training_count"] == findings["by_vertical"] == []
    assert findings["imbalance"]["source"] == "the evaluated videos"
    assert "label 0" in (tmp_path / "out" / "report.html").read_text()


def test_a_perfect_model(make_case, tmp_path):
    scores = np.full((30, 25), 0.1) + np.linspace(0, 0.01, 25)
    lists = [[i % 25] for i in range(30)]
    for video, (label,) in enumerate(lists):
        scores[video, label] = 0.95
    findings = analyze(make_case(scores, lists).path, tmp_path / "out")
    assert findings["metrics"]["gap"] == 1
    assert findings["most_missed"] == findings["confusions"] == []
    assert findings["causes"]["first"] is None
    assert "Why labels are missed" not in (tmp_path / "out" / "report.html").read_text()
    assert "Every true label of every video is among" in (tmp_path / "out" / "report.html").read_text()


def test_a_model_that_knows_nothing(make_case, tmp_path):
    scores = np.tile(np.linspace(0.9, 0.1, 60), (20, 1))
    findings = analyze(make_case(scores, [[40, 50]] * 20).path, tmp_path / "out")
    assert findings["metrics"]["gap"] == 0
    assert findings["missed"]["ours"]["missed"] == 20


def test_one_video(make_case, tmp_path):
    findings = analyze(make_case([[0.9, 0.1]], [[1]]).path, tmp_path / "out")
    assert findings["metrics"]["videos"] == 1


def test_the_report_stays_small_with_many_labels_and_long_names(make_random_case, vocabulary, tmp_path):
    case = make_random_case(videos=200, classes=3862)
    names = [f"{i} {'a rather long name ' * 4}" for i in range(3862)]
    analyze(case.path, tmp_path / "out", vocabulary=vocabulary(3862, names))
    assert (tmp_path / "out" / "report.html").stat().st_size < 2e6


def test_wrong_input_leaves_nothing(make_case, tmp_path):
    case = make_case(np.random.default_rng(0).random((2, 30)), [[], []])
    with pytest.raises(InputError):
        analyze(case.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
