"""Progress where there is no terminal: plain lines, now and then, with what is left."""

import pytest

from yt8m import progress


def test_plain_lines_tell_count_rate_and_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 4.0, 12.0, 13.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.Progress("indexing", total=100, unit="shards") as bar:
        for note in ("early", "shown", "too soon"):
            bar.advance(20, note)
    assert capsys.readouterr().err == "indexing: 40 of 100 shards, 18 s left, 3 a second, shown\n"
