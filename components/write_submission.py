"""Step write-submission."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def write_submission(
    predictions: dsl.Input[dsl.Dataset],
    test_index: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    work_root: str,
    submission: dsl.Output[dsl.Dataset],
) -> None:
    """Write predictions of the test set in the challenge's format; never cached.

    Args:
        predictions: Predictions of the test set.
        test_index: The test set; each of its videos must be there exactly once.
        model: model.json of the model that made the predictions; its weights must keep within the challenge's limit.
        work_root: Folder or gs:// address that outlives the run; the CSV also goes to runs/RUN below it.

    Returns:
        submission: CSV with 20 label-confidence pairs a video (all labels of a model that has fewer).
    """
    from yt8m.artifacts import scalars
    from yt8m.runs.records import recorded
    from yt8m.runs.results import SUBMISSION, put
    from yt8m.submission import write_submission

    with recorded("write-submission", work_root, [submission], [predictions, test_index, model]) as record:
        made = write_submission([predictions.path], submission.path, index=test_index.path, models=[model.path])
        submission.metadata.update(scalars(made))
        put(submission.path, record.folders, SUBMISSION)
