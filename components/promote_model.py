"""Step promote-model."""

from typing import Optional

from kfp import dsl


@dsl.component(base_image="yt8m-trainer", install_kfp_package=False)
def promote_model(
    model: dsl.Input[dsl.Model],
    validation_predictions: dsl.Input[dsl.Dataset],
    validation_index: dsl.Input[dsl.Dataset],
    training_set: dsl.Input[dsl.Dataset],
    registry: str,
    vocabulary: str,
    floor: float,
    card: dsl.Output[dsl.HTML],
    decision: dsl.Output[dsl.Artifact],
    min_gain: Optional[float] = None,
    vertex_project: str = "",
    vertex_region: str = "",
) -> None:
    """Make the selected model the champion of a registry if it earns it, and say why or why not.

    Args:
        model: model.json of the challenger.
        validation_predictions: Its predictions of the validation videos.
        validation_index: The validation videos; the champion is predicted anew on the half that decides.
        training_set: What the challenger was trained on, for the model card.
        registry: Folder or gs:// address that keeps the champions.
        vocabulary: Vocabulary file (CSV) for the labels' names; empty for none.
        floor: GAP that the challenger must exceed in any case.
        min_gain: Gain in GAP that is enough even if it may be chance; none means that it must be beyond chance.
        vertex_project: Google Cloud project, to publish to the Vertex AI Model Registry; empty for not.
        vertex_region: Its region; empty for not.

    Returns:
        card: Model card of the challenger, or of the champion if it is the same (HTML).
        decision: Whether it was promoted, the reason, and the scores (JSON).
    """
    from yt8m.promotion import promote_step

    made = promote_step(
        model.path,
        registry,
        validation_index.path,
        decision.path,
        predictions=validation_predictions.path,
        training_set=training_set.path,
        vocabulary=vocabulary,
        card=card.path,
        floor=floor,
        min_gain=min_gain,
        vertex_project=vertex_project,
        vertex_region=vertex_region,
    )
    decision.metadata.update(made)
