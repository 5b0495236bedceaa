"""Killed before or after each file that it uploads, a training on a bucket is finished by the next one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_work_root import CANDIDATE, data, trained  # noqa: F401  (a fixture)
from yt8m.storage import list_tree
from yt8m.training import work_root

pytestmark = pytest.mark.usefixtures("plain_steps")
SMALL = {**CANDIDATE, "overrides": {**CANDIDATE["overrides"], "saved_model": False}}  # type: ignore[dict-item]


class Killed(BaseException):
    """In the place of a kill: nothing catches it."""


def test_a_kill_around_each_upload(
    data: dict[str, Path],  # noqa: F811
    tmp_path: Path, gcs: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write, uploads, last = work_root.atomic_file, 0, 0

    def counted(target: str) -> Any:
        nonlocal uploads
        if uploads == last:
            raise Killed
        uploads += 1
        return write(target)

    monkeypatch.setattr(work_root, "atomic_file", counted)
    while True:
        uploads = 0
        try:
            made = trained(data, "gs://bucket/work", tmp_path / "a.json", candidate=SMALL)
            break
        except Killed:
            found = list_tree("gs://bucket/work/models")
            assert len(found) == last
            assert not [name for name in found if name.endswith("model/model.json")], "it says that the model is whole"
            last += 1
    manifest = json.loads((tmp_path / "a.json").read_text())
    found = {name.partition("/")[2] for name in list_tree("gs://bucket/work/models")}
    assert found >= {"model/model.json", *(f"model/{entry['file']}" for entry in manifest["files"])}
    assert last == len(found)
    assert list_tree("gs://bucket/work/checkpoints") == {}, "nothing is left of its checkpoint"
    assert trained(data, "gs://bucket/work", tmp_path / "b.json", candidate=SMALL) == made
