"""Step publish-results."""

from typing import List

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def publish_results(
    models: dsl.Input[List[dsl.Model]],
    predictions: dsl.Input[List[dsl.Dataset]],
    metrics: dsl.Input[List[dsl.Metrics]],
    selected: dsl.Input[dsl.Model],
    train_index: dsl.Input[dsl.Dataset],
    validation_index: dsl.Input[dsl.Dataset],
    test_index: dsl.Input[dsl.Dataset],
    statistics: dsl.Input[dsl.HTML],
    validation: dsl.Input[dsl.HTML],
    report: dsl.Input[dsl.HTML],
    work_root: str,
    job_name: str,
    job_id: str,
    results: dsl.Output[dsl.Artifact],
) -> None:
    """Put what a run made at one place of the work root; never cached.

    Args:
        models: model.json of each candidate.
        predictions: Validation predictions of each candidate.
        metrics: Metrics of each candidate.
        selected: model.json of the winner.
        train_index: The train partition.
        validation_index: The validation partition.
        test_index: The test partition.
        statistics: Page on the train partition.
        validation: Page on the checks of the data.
        report: Error analysis of the winner.
        work_root: Folder or gs:// address that outlives the run; all goes to runs/RUN below it.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.

    Returns:
        results: Every candidate's results, the choice and the data (JSON).
    """
    from yt8m.runs.records import recorded, run_name
    from yt8m.runs.results import publish_results

    indexes = {"train": train_index.path, "validate": validation_index.path, "test": test_index.path}
    made = [*models, *predictions, *metrics, selected, statistics, validation, report]
    with recorded("publish-results", work_root, [results], [*made, train_index, validation_index, test_index]):
        publish_results(
            [artifact.path for artifact in models],
            [artifact.path for artifact in predictions],
            [f"{artifact.path}/metrics.json" for artifact in metrics],
            selected.path,
            indexes,
            {
                "statistics.html": statistics.path,
                "validation.html": validation.path,
                "report.html": report.path,
            },
            work_root,
            run_name(job_name, job_id),
            copy=results.path,
        )
