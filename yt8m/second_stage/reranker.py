"""The folder of a fitted re-ranker: `booster-0.txt` and so on, `statistics.npz`, and `reranker.json`, written last.

`reranker.json` has the fingerprints of the other files, so that a folder with one is whole, or damaged.
"""

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint_bytes
from yt8m.errors import InputError
from yt8m.second_stage.label_statistics import LabelStatistics
from yt8m.storage import StrPath, atomic_file, join, read_bytes, read_json, write_json

FILE = "reranker.json"
STATISTICS = "statistics.npz"
REMEDY = "name the folder that `yt8m rerank fit` made"


@dataclass(frozen=True)
class Reranker:
    """A fitted re-ranker.

    Attributes:
        about: what `reranker.json` holds.
        boosters: LightGBM's text of each ensemble of trees.
        statistics: of the training videos' labels.
        video_ids: bytes (NumPy `S`), of the videos that it was fitted to.
    """

    about: dict[str, Any]
    boosters: list[str]
    statistics: LabelStatistics
    video_ids: np.ndarray

    @property
    def candidates(self) -> int:
        """Labels of a video that are looked at."""
        return int(self.about["candidates"])


def write_reranker(folder: StrPath, reranker: Reranker) -> None:
    """Write the files; same content, same bytes."""
    content = io.BytesIO()
    np.savez_compressed(content, video_ids=reranker.video_ids, **reranker.statistics.arrays())  # type: ignore[arg-type]
    contents = {_booster(number): text.encode() for number, text in enumerate(reranker.boosters)}
    contents[STATISTICS] = content.getvalue()
    for name, data in contents.items():
        with atomic_file(join(folder, name)) as temporary:
            temporary.write_bytes(data)
    files = [
        {"file": name, "bytes": len(data), "fingerprint": fingerprint_bytes(data)} for name, data in contents.items()
    ]
    write_json(join(folder, FILE), {**reranker.about, "files": files})


def read_reranker(folder: StrPath) -> Reranker:
    """Read a re-ranker, its files checked by their fingerprints.

    Raises:
        InputError: no re-ranker is there, or it is damaged.
    """
    about = read_json(join(folder, FILE), REMEDY)
    if not isinstance(about, dict) or about.get("kind") != "reranker":
        raise InputError(f"{join(folder, FILE)}: this does not describe a re-ranker; {REMEDY}")
    contents = {}
    for entry in about["files"]:
        path = join(folder, entry["file"])
        contents[entry["file"]] = data = read_bytes(path, REMEDY)
        if fingerprint_bytes(data) != entry["fingerprint"]:
            raise InputError(f"{path}: not the file that {FILE} describes; copy the whole folder again, or fit it anew")
    try:
        with np.load(io.BytesIO(contents.pop(STATISTICS))) as file:
            arrays = dict(file)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{join(folder, STATISTICS)}: damaged ({error}); fit the re-ranker anew") from error
    boosters = [contents[_booster(number)].decode() for number in range(len(contents))]
    return Reranker(about, boosters, LabelStatistics.from_arrays(arrays), arrays["video_ids"])


def _booster(number: int) -> str:
    return f"booster-{number}.txt"
