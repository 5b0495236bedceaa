"""Step promote-model."""

from kfp import dsl


@dsl.component(base_image="yt8m-trainer", install_kfp_package=False)
def promote_model(
    model: dsl.Input[dsl.Model],
    validation_predictions: dsl.Input[dsl.Dataset],
    validation_index: dsl.Input[dsl.Dataset],
    training_set: dsl.Input[dsl.Dataset],
    profile: dsl.Input[dsl.Artifact],
    registry: str,
    vocabulary: str,
    floor: float,
    min_gain: float,
    vertex_project: str,
    vertex_region: str,
    work_root: str,
    card: dsl.Output[dsl.HTML],
    decision: dsl.Output[dsl.Artifact],
) -> None:
    """Make the selected model the champion of a registry if it earns it, and say why or why not; never cached.

    If that cannot be done, what comes after it is done, and the run fails at its end.

    Args:
        model: model.json of the challenger.
        validation_predictions: Its predictions of the validation videos.
        validation_index: The validation videos; the champion is predicted anew on the half that decides.
        training_set: What the challenger was trained on, for the model card.
        profile: What validate-data found; kept for the drift of later data, if the challenger wins.
        registry: Folder or gs:// address of the champions; empty for registry below the work root.
        vocabulary: Vocabulary file (CSV) for the labels' names; empty for none.
        floor: GAP that the challenger must exceed in any case.
        min_gain: Gain in GAP that is enough even if it may be chance; 0 for none, then it must be beyond chance.
        vertex_project: Google Cloud project, to publish to the Vertex AI Model Registry; empty for not.
        vertex_region: Its region; empty for not.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        card: Model card of the challenger, or of the champion if it is the same (HTML).
        decision: Whether it was promoted, the reason, and the scores (JSON).
    """
    from yt8m.promotion.predict_and_promote import promote_step
    from yt8m.runs.changes import registry_of
    from yt8m.runs.records import recorded
    from yt8m.runs.results import PROMOTION, put

    inputs = [model, validation_predictions, validation_index, training_set, profile]
    with recorded("promote-model", work_root, [card, decision], inputs, kind="predict", spare=True) as record:
        made = promote_step(
            model.path,
            registry_of(registry, work_root),
            validation_index.path,
            decision.path,
            predictions=validation_predictions.path,
            profile=f"{profile.path}/data_profile.json",
            training_set=training_set.path,
            vocabulary=vocabulary,
            card=card.path,
            floor=floor,
            min_gain=min_gain or None,
            vertex_project=vertex_project,
            vertex_region=vertex_region,
            run=record.folder or "",
        )
        decision.metadata.update(made)
        put(decision.path, record.folders, PROMOTION)
