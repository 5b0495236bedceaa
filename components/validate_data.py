"""Step validate-data."""

from typing import Any, Dict, List

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def validate_data(
    train_index: dsl.Input[dsl.Dataset],
    validation_index: dsl.Input[dsl.Dataset],
    test_index: dsl.Input[dsl.Dataset],
    candidates: List[Dict[str, Any]],
    vocabulary: str,
    vocabulary_fingerprint: str,
    champion: str,
    registry: str,
    thresholds: Dict[str, float],
    work_root: str,
    profile: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
) -> None:
    """Check the data before a GPU is paid for: ids, labels, and drift from the champion's data.

    Args:
        train_index: The train partition.
        validation_index: The validation partition.
        test_index: The test partition.
        candidates: What is to be trained; each must be for the level of the records.
        vocabulary: Vocabulary file (CSV); labels beyond it are unknown; empty for none, then those are that no model
            of the dataset's 3,862 classes has.
        vocabulary_fingerprint: Of its content; another one means that cached results are stale; empty for none.
        champion: Fingerprint of the champion, whose data profile this data is compared with; empty for none.
        registry: Folder or gs:// address of the champions; empty for registry below the work root.
        thresholds: Name of a check to the highest value that passes; the library's own for those left out.
        work_root: Folder or gs:// address that outlives the run; the page also goes there, for a step that fails.

    Returns:
        profile: Folder with validation.json, validation.html and data_profile.json.
        page: The page, for the user interface.
    """
    import shutil

    from yt8m.checks.validate import measured, validate_data
    from yt8m.promotion.baseline import champion_profile
    from yt8m.runs.changes import registry_of
    from yt8m.runs.records import recorded
    from yt8m.vocabulary import NUM_CLASSES

    indexes = [train_index, validation_index, test_index]
    with recorded("validate-data", work_root, [profile, page], indexes) as record:
        found = validate_data(
            {"train": train_index.path, "validate": validation_index.path, "test": test_index.path},
            profile.path,
            vocabulary=vocabulary or None,
            num_classes=NUM_CLASSES,
            baseline=champion_profile(registry_of(registry, work_root)),
            thresholds=thresholds,
            candidates=candidates,
            copies=record.folders,
        )
        shutil.copyfile(f"{profile.path}/validation.html", page.path)
        profile.metadata.update(measured(found))
