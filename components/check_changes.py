"""Step check-changes."""

from typing import Any, Dict, List, NamedTuple

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def check_changes(
    train_fingerprint: str,
    validation_fingerprint: str,
    test_fingerprint: str,
    code_version: str,
    candidates: List[Dict[str, Any]],
    recipe: str,
    seed: int,
    vocabulary: str,
    start_from: str,
    thresholds: Dict[str, float],
    floor: float,
    min_gain: float,
    skip_bad_records: bool,
    skip_unchanged: bool,
    work_root: str,
    decision: dsl.Output[dsl.Artifact],
) -> NamedTuple("Outputs", [("Output", str), ("vocabulary_fingerprint", str)]):  # type: ignore[valid-type]
    """Look whether there is anything new to do; never cached.

    Args:
        train_fingerprint: What fingerprint-source found of the train partition.
        validation_fingerprint: The same of the validation partition.
        test_fingerprint: The same of the test partition.
        code_version: Fingerprint of the library and its images.
        candidates: Models to train, each exactly {name, preset, overrides}.
        recipe: Name of a recipe of the library.
        seed: Of everything random.
        vocabulary: Vocabulary file (CSV), of which the content counts; empty for none.
        start_from: Weights that training starts from; nothing or champion.
        thresholds: Name of a check of the data to the highest value that passes.
        floor: GAP that a model must exceed to become champion.
        min_gain: Gain in GAP over the champion that is enough by itself; 0 for none.
        skip_bad_records: Leave bad records out and count them.
        skip_unchanged: End the run here when all that decides it is as in the last run that ended well.
        work_root: Folder or gs:// address that outlives the run.

    Returns:
        decision: What was decided, in the metadata.
        Output: Fingerprint of all that decides this run; empty when there is nothing to do.
        vocabulary_fingerprint: Fingerprint of the content of the vocabulary; empty for none.
    """
    from yt8m.runs.changes import check_changes
    from yt8m.runs.records import recorded

    with recorded("check-changes", work_root, [decision]):
        found = check_changes(
            [train_fingerprint, validation_fingerprint, test_fingerprint],
            {
                "code_version": code_version,
                "candidates": candidates,
                "recipe": recipe,
                "seed": seed,
                "start_from": start_from,
                "thresholds": thresholds,
                "promotion": [floor, min_gain],
                "skip_bad_records": skip_bad_records,
            },
            work_root,
            decision.path,
            vocabulary=vocabulary,
            skip_unchanged=skip_unchanged,
        )
        decision.metadata.update(found)
    return found["state"] if found["changed"] else "", found["vocabulary"]
