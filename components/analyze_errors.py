"""Step analyze-errors."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def analyze_errors(
    predictions: dsl.Input[dsl.Dataset],
    train_index: dsl.Input[dsl.Dataset],
    vocabulary: str,
    vocabulary_fingerprint: str,
    work_root: str,
    analysis: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> None:
    """Explain the errors of predictions.

    Args:
        predictions: Predictions of labelled videos.
        train_index: The videos trained on, for how often each label occurs.
        vocabulary: Vocabulary file (CSV) for the labels' names; empty for none.
        vocabulary_fingerprint: Of its content; another one means that cached results are stale; empty for none.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        analysis: Folder with report.html, errors.parquet, labels.csv and analysis.json.
        report: The report, for the user interface.
    """
    import shutil

    from yt8m.evaluation.analysis.analyze import analyze
    from yt8m.runs.records import recorded

    with recorded("analyze-errors", work_root, [analysis, report], [predictions, train_index]):
        analyze(predictions.path, analysis.path, index=train_index.path, vocabulary=vocabulary or None)
        shutil.copyfile(f"{analysis.path}/report.html", report.path)
