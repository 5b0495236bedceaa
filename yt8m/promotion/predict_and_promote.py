"""The challenger and the champion, predicted anew on the same validation videos, then one of them promoted.

This is where the champion meets prediction: `yt8m.promotion` itself works on predictions files and loads no framework.
"""

from pathlib import Path
from typing import Any

from yt8m.data.records.video_index import read_index, write_index
from yt8m.errors import InputError
from yt8m.evaluation.holdout_split import in_half
from yt8m.loader import DEFAULT_STAGING, Staging
from yt8m.progress import log
from yt8m.promotion import Terms, Thresholds, VertexTarget, promote, settle
from yt8m.promotion.baseline import keep_profile
from yt8m.quiet import quiet_start
from yt8m.registry.champions import Registry
from yt8m.registry.files import local_model
from yt8m.registry.manifest import locate_model
from yt8m.storage import StrPath, scratch_folder, write_json


def predict_and_promote(
    model: StrPath,
    registry: StrPath,
    index: StrPath,
    *,
    predictions: StrPath | None = None,
    terms: Terms | None = None,
    source: str | None = None,
    staging: Staging = DEFAULT_STAGING,
    page: dict[str, StrPath | None] | None = None,
) -> dict[str, Any]:
    """Predict the promotion half of an index with the challenger and with the champion, and promote the better.

    Args:
        model: the challenger's folder, gs:// address or manifest.
        registry: folder or gs:// address.
        index: the validation videos.
        predictions: the challenger's predictions of this index, if they were made already.
        terms: see `yt8m.promotion.Terms`.
        source: the folder of the shards, if not where the index says.
        staging: how shards on gs:// are staged.
        page: `vocabulary`, `training_set` and `card`; see `yt8m.promotion.promote`.

    Returns:
        See `yt8m.promotion.promote`.

    Raises:
        WriteConflict: another promotion came first; nothing was changed.
        InputError: wrong input, or a model that does not fit the index.
    """
    terms, located, records, page = terms or Terms(), locate_model(model), Registry(registry), page or {}
    settled = settle(located, records, terms, page.get("card"))
    if settled is not None:
        return settled
    current = records.champion()
    with scratch_folder() as scratch:
        half = _write_half(index, scratch)
        how = {"source": source, "staging": staging}
        if predictions is None:
            predictions = _predict(located.uri, half, scratch / "challenger.parquet", "the challenger", **how)
        champion = None
        if current is not None:
            kept = records.path(*current.model.split("/"))
            champion = _predict(kept, half, Path(scratch, "champion.parquet"), f"the champion {current.name}", **how)
        return promote(model, registry, predictions, champion, terms=terms, **page)


def promote_step(
    model: StrPath,
    registry: StrPath,
    index: StrPath,
    output: StrPath,
    *,
    predictions: StrPath,
    profile: StrPath,
    floor: float,
    min_gain: float | None,
    vertex_project: str = "",
    vertex_region: str = "",
    run: str = "",
    **page: StrPath,
) -> dict[str, Any]:
    """`predict_and_promote` as a step of a pipeline, where an empty text stands for nothing.

    Args:
        model: the challenger's manifest.
        registry: folder or gs:// address.
        index: the validation videos.
        output: gets the result as JSON.
        predictions: the challenger's predictions of the index.
        profile: data profile of the train partition, kept in the registry for the drift of later data.
        floor, min_gain: see `yt8m.promotion.Thresholds`.
        vertex_project, vertex_region: see `yt8m.promotion.VertexTarget`; both empty for not publishing.
        run: on whose behalf; the step tried again gives the same answer.
        page: `vocabulary`, `training_set` and `card`.

    Returns:
        What a user interface shows: `promoted`, `reason`, `champion` (its fingerprint) and `number`.

    Raises:
        WriteConflict, InputError: see `predict_and_promote`.
    """
    vertex = VertexTarget(vertex_project, vertex_region) if vertex_project or vertex_region else None
    terms = Terms(Thresholds(floor, min_gain), vertex=vertex, run=run)
    given = {name: path or None for name, path in page.items()}
    keep_profile(registry, profile)
    made = predict_and_promote(model, registry, index, predictions=predictions, terms=terms, page=given)
    write_json(output, made)
    champion = made["champion"] or {"fingerprint": "", "number": 0}
    return {
        "promoted": made["promoted"], "reason": made["reason"], "champion": champion["fingerprint"],
        "number": champion["number"],
    }  # fmt: skip


def _write_half(index: StrPath, scratch: Path) -> Path:
    videos = read_index(index)
    half = videos.take(in_half(videos.video_ids, "promotion"))
    if not len(half):
        raise InputError(f"{index}: none of its {len(videos):,} videos is of the promotion half; index more validation "
                         "videos")  # fmt: skip
    write_index(scratch / "half.parquet", half)
    return scratch / "half.parquet"


def _predict(uri: str, index: Path, output: Path, who: str, **how: Any) -> Path:
    with quiet_start():
        from yt8m.prediction.predict import predict

    log(f"predicting the promotion half with {who}")
    with local_model(uri) as folder:
        try:
            predict([folder], index, output, **how)
        except InputError as error:
            raise InputError(f"{uri} ({who}) cannot predict these videos: {error}") from error
    return output
