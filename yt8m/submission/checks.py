"""What a submission must be: each video once, 20 different labels in descending confidence, all probabilities."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from yt8m.errors import InputError
from yt8m.evaluation.metrics.functions import ROUNDING_EXCESS
from yt8m.registry.manifest import locate_model

_SHOWN = 5
_FORBIDDEN = np.ones(256, np.bool_)
_FORBIDDEN[ord("!") : ord("~") + 1] = False
_FORBIDDEN[[ord(","), ord('"')]] = True


def refuse(path: str, problem: str) -> NoReturn:
    """Raise the one-line error of a file."""
    raise InputError(f"{path}: {problem}")


def check_ids(path: str, ids: np.ndarray) -> None:
    """Ids that need no quotes in a CSV: printable ASCII without comma and quote.

    Raises:
        InputError: with the first ids that are not so.
    """
    text = np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), -1)
    used = text != 0
    bad = (_FORBIDDEN[text] & used).any(axis=1) | ~used[:, 0] | (used[:, 1:] & ~used[:, :-1]).any(axis=1)
    if bad.any():
        refuse(path, f"{_videos(ids[bad])} with an id that cannot stand in a CSV; leave its record out of the index")


def check_same_videos(path: str, ids: np.ndarray, other_path: str, other_ids: np.ndarray) -> None:
    """The same videos in two files, in any order.

    Args:
        path, ids: the predictions and their ids, each once.
        other_path, other_ids: what they must match, each once, too.

    Raises:
        InputError: with the first videos that only one of them has.
    """
    keys, other_keys = id_keys(ids, other_ids)
    if len(keys) == len(other_keys) and (np.sort(keys) == np.sort(other_keys)).all():
        return
    missing, extra = np.setdiff1d(other_ids, ids), np.setdiff1d(ids, other_ids)
    problems = [
        f"{verb} {_videos(videos)} {where} {other_path}"
        for videos, verb, where in ((missing, "lacks", "of"), (extra, "holds", "not in"))
        if len(videos)
    ]
    refuse(
        path,
        f"{' and '.join(problems)}; predict the whole index anew (bad records that a prediction left out are left out "
        "of an index, too, by `yt8m index --skip-bad-records`)",
    )


def check_rows(path: str, ids: np.ndarray, labels: np.ndarray, confidences: np.ndarray, num_classes: int) -> None:
    """Confidences in [0, 1] that descend, and different labels of the model's classes, in each row.

    Args:
        path: the predictions file.
        ids: bytes [n]; labels: int32 [n, k]; confidences: float32 [n, k].
        num_classes: of the model.

    Raises:
        InputError: with the first video whose row is not so.
    """
    wrong = (
        (~((confidences >= 0) & (confidences <= 1 + ROUNDING_EXCESS)), "a confidence is not between 0 and 1"),
        (confidences[:, 1:] > confidences[:, :-1], "the confidences do not descend"),
        ((labels < 0) | (labels >= num_classes), f"a label lies outside the {num_classes} classes"),
        (_repeated(labels), "a label is there twice"),
    )
    for places, problem in wrong:
        if places.any():
            video = ids[places.any(axis=1)][0].decode()
            refuse(path, f"video {video}: {problem}; make the predictions anew with `yt8m predict`")


def id_keys(*ids: np.ndarray) -> list[np.ndarray]:
    """Keys that are equal and ordered as the ids are: integers, which sort 20 times as fast, for up to 8 bytes."""
    if max(array.dtype.itemsize for array in ids) > 8:
        return list(ids)
    return [array.astype("S8").view(">u8").astype(np.uint64) for array in ids]


def _repeated(labels: np.ndarray) -> np.ndarray:
    """Bool [n, 1]: whether a row has a label twice. Comparing shifted columns costs less than sorting 20 labels."""
    columns = np.ascontiguousarray(labels.T)
    found = np.zeros(len(labels), np.bool_)
    for shift in range(1, len(columns)):
        found |= (columns[shift:] == columns[:-shift]).any(axis=0)
    return found[:, None]


def _videos(ids: np.ndarray) -> str:
    """How many, and the first of their ids, in printable characters."""
    shown = ", ".join(ascii(video.decode(errors="replace"))[1:-1] for video in ids[:_SHOWN])
    count = "1 video" if len(ids) == 1 else f"{len(ids):,} videos"
    return f"{count} ({shown}{', ...' if len(ids) > _SHOWN else ''})"


LIMIT = 2**30
MIB = 2**20


def check_size(models: Sequence[str], used: Sequence[dict[str, Any]], rerankers: dict[str, int] | None = None) -> int:
    """Bytes of the weights of the models that made the predictions, and of what re-ranked them, each counted once.

    Args:
        models: folders of models (local or gs://), or manifests.
        used: the models that the predictions name, `{name, fingerprint, ...}` each.
        rerankers: the bytes of those that the predictions name, by fingerprint.

    Raises:
        InputError: one of them is not among `models` or the other way round, or together they exceed 2^30 bytes.
    """
    sizes: dict[str, int] = {}
    needed = {str(model.get("fingerprint")): str(model["name"]) for model in used}
    for path in models:
        model = locate_model(path)
        if model.fingerprint not in needed:
            made_by = ", ".join(f"{name} ({key})" for key, name in needed.items())
            refuse(path, f"the model {model.fingerprint} made none of these predictions, {made_by} did; name that one")
        sizes[model.fingerprint] = int(model.manifest["weights"]["bytes"])
    for key, name in needed.items():
        if key not in sizes:
            refuse(name, f"the model {key} made some of the predictions, but no --model names it; name each of them")
    total = sum(sizes.values()) + sum((rerankers or {}).values())
    if total > LIMIT:
        subject = "the model has" if len(sizes) == 1 else f"the {len(sizes)} models have together"
        refuse(
            ", ".join(models),
            f"{subject} {total / MIB:,.1f} MiB of weights, the challenge allows {LIMIT / MIB:,.0f} MiB; "
            "leave a model out, or train a smaller one (`yt8m models` shows sizes)",
        )
    return total
