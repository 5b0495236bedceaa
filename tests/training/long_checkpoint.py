"""Every operation on the files of a checkpoint, killed before it."""

from pathlib import Path

from tests.training.test_checkpoint import sweep


def test_a_kill_before_each_operation(tmp_path: Path) -> None:
    sweep(tmp_path, slice(None))
