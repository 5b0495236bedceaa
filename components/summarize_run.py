"""Step summarize-run."""

from typing import List

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def summarize_run(
    models: dsl.Input[List[dsl.Model]],
    predictions: dsl.Input[List[dsl.Dataset]],
    metrics: dsl.Input[List[dsl.Metrics]],
    selected: dsl.Input[dsl.Model],
    train_index: dsl.Input[dsl.Dataset],
    validation_index: dsl.Input[dsl.Dataset],
    test_index: dsl.Input[dsl.Dataset],
    run_summary: dsl.Output[dsl.Artifact],
) -> None:
    """Put every candidate's results, the choice and the data they saw into one file.

    Args:
        models: model.json of each candidate.
        predictions: Validation predictions of each candidate.
        metrics: Metrics of each candidate.
        selected: model.json of the winner.
        train_index: The train partition.
        validation_index: The validation partition.
        test_index: The test partition.

    Returns:
        run_summary: The summary (JSON).
    """
    from yt8m.run_summary import summarize_run

    summarize_run(
        [artifact.path for artifact in models],
        [artifact.path for artifact in predictions],
        [f"{artifact.path}/metrics.json" for artifact in metrics],
        selected.path,
        {"train": train_index.path, "validate": validation_index.path, "test": test_index.path},
        run_summary.path,
    )
