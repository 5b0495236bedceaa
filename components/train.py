"""Step train."""

from typing import Any, Dict

from kfp import dsl


@dsl.component(base_image="yt8m-trainer", install_kfp_package=False)
def train(
    candidate: Dict[str, Any],
    training_set: dsl.Input[dsl.Dataset],
    validation_index: dsl.Input[dsl.Dataset],
    work_root: str,
    vocabulary: str,
    vocabulary_fingerprint: str,
    seed: int,
    start_from: str,
    champion: str,
    registry: str,
    model: dsl.Output[dsl.Model],
) -> None:
    """Train one candidate at the work root, or find it there from an earlier run.

    Args:
        candidate: Exactly name, preset and overrides (dotted key to value; empty for none).
        training_set: What to train on.
        validation_index: Videos for validation while training; the best checkpoint by GAP is kept.
        work_root: Folder or gs:// address that outlives the pod; weights and checkpoints lie there.
        vocabulary: Vocabulary file (CSV) that the labels belong to; empty for none.
        vocabulary_fingerprint: Of its content; another one means that cached results are stale; empty for none.
        seed: Of initial weights, order and frame choice.
        start_from: Weights that training starts from; nothing or champion.
        champion: Fingerprint of the champion; another one means other weights to start from; empty for none.
        registry: Folder or gs:// address of the champions; empty for registry below the work root.

    Returns:
        model: model.json with the address of the weights; the weights themselves stay at the work root.
    """
    from yt8m.runs.changes import registry_of
    from yt8m.runs.records import recorded
    from yt8m.training.work_root import train_candidate

    inputs = [training_set, validation_index]
    with recorded(f"train {candidate['name']}", work_root, [model], inputs, kind="train"):
        made = train_candidate(
            candidate,
            training_set.path,
            validation_index.path,
            work_root,
            model.path,
            seed=seed,
            vocabulary=vocabulary or None,
            start_from=start_from,
            registry=registry_of(registry, work_root),
        )
        model.metadata.update(made)
