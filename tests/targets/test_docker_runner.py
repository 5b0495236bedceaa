"""The parts of the docker runner that need no daemon; `make test-containers` tries the whole of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.docker_runner import connect, container_user, find_images, gpus, lines, working_set
from yt8m.errors import InputError


@pytest.mark.parametrize(
    ("options", "uid", "user"),
    [
        (["name=seccomp,profile=default"], 501, "501:20"),
        (["name=seccomp,profile=default"], 0, "1000:1000"),
        (["name=seccomp,profile=default", "name=rootless"], 501, "0:0"),
    ],
)
def test_a_container_runs_as_the_caller_and_never_as_root_of_this_machine(
    options: list[str], uid: int, user: str
) -> None:
    assert container_user(options, uid, 20) == user


def test_gpus_are_given_where_the_daemon_has_their_runtime() -> None:
    assert gpus({"Runtimes": {"runc": {}}}) == gpus({}) == []
    (request,) = gpus({"Runtimes": {"runc": {}, "nvidia": {}}})
    assert (request["Count"], request["Capabilities"]) == (-1, [["gpu"]])


@given(st.lists(st.text(st.characters(exclude_characters="\r\n"), max_size=9), min_size=1), st.data())
def test_lines_are_whole_wherever_the_stream_is_cut(texts: list[str], data: Any) -> None:
    stream = "\n".join(texts).encode("utf-8", "replace")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    expected = [line.rstrip() for line in stream.decode().split("\n")]
    assert list(lines(chunks)) == (expected if stream.split(b"\n")[-1] else expected[:-1])


@pytest.mark.parametrize(
    ("memory", "held"),
    [
        ({"usage": 500, "stats": {"total_inactive_file": 200, "inactive_file": 1}}, 300),
        ({"usage": 500, "stats": {"inactive_file": 100}}, 400),
        ({"usage": 500}, 500),
        ({}, None),
    ],
)
def test_the_working_set_is_read_from_either_version_of_control_groups(memory: dict[str, Any], held: Any) -> None:
    assert working_set(memory) == held


def test_a_daemon_that_does_not_answer_is_one_line_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    for call in (connect, lambda: find_images({"data": "yt8m-data:dev"})):
        with pytest.raises(InputError, match=r"docker cannot be reached \(.*\); start its daemon.*--runner subprocess"):
            call()
