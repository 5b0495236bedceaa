"""Step rebalance."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def rebalance(
    video_index: dsl.Input[dsl.Dataset],
    validation_index: dsl.Input[dsl.Dataset],
    test_index: dsl.Input[dsl.Dataset],
    recipe: str,
    seed: int,
    work_root: str,
    training_set: dsl.Output[dsl.Dataset],
) -> None:
    """Choose what to train on, how often and in which phases; videos of the other partitions are left out.

    Args:
        video_index: The videos to choose from.
        validation_index: Videos that must not be trained on.
        test_index: Videos that must not be trained on.
        recipe: Name of a recipe of the library.
        seed: Of the recipe's random choices.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        training_set: Rows of the index with a repeat count a phase (Parquet).
    """
    from yt8m.artifacts import scalars
    from yt8m.data.rebalance.build import build_training_set
    from yt8m.runs.records import recorded

    with recorded("rebalance", work_root, [training_set], [video_index, validation_index, test_index]):
        exclude = [validation_index.path, test_index.path]
        made = build_training_set(video_index.path, recipe, training_set.path, exclude=exclude, seed=seed)
        training_set.metadata.update(scalars(made))
