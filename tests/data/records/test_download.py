"""The downloader against a mirror that cuts, delays, corrupts and refuses."""

import importlib.util
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.kills import kill_at_random_moments
from yt8m import cli
from yt8m.data.records import download as module
from yt8m.data.records.download import Source, download, numbers, shard_number
from yt8m.errors import InputError


def _load_emulator() -> ModuleType:
    path = Path(__file__).parents[2] / "emulators" / "mirror.py"
    spec = importlib.util.spec_from_file_location("mirror", path)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


NAMES = [f"train{code}.tfrecord" for code in ("aa", "ab", "aZ", "a9", "ba")]


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    generator = random.Random(1)
    running = _load_emulator().Mirror({name: generator.randbytes(300_000) for name in NAMES})
    yield running
    running.server.shutdown()
    running.server.server_close()


def source_of(mirror) -> Source:
    return Source(f"{mirror.address}/plan.json", f"{mirror.address}/shards/{{name}}")


def assert_complete(folder: Path, mirror, names: list[str] = NAMES) -> None:
    assert sorted(os.listdir(folder)) == sorted(names)
    for name in names:
        assert (folder / name).read_bytes() == mirror.files[name]


def test_everything_once(mirror, tmp_path: Path) -> None:
    result = download(source_of(mirror), tmp_path)
    assert_complete(tmp_path, mirror)
    assert (result["downloaded"], result["kept"], result["bytes"]) == (5, 0, 1_500_000)
    again = download(source_of(mirror), tmp_path)
    assert (again["downloaded"], again["kept"], again["bytes"]) == (0, 5, 0)
    assert mirror.requests[NAMES[0]] == 1


def test_a_range_of_shards_by_their_official_numbers(mirror, tmp_path: Path) -> None:
    assert [shard_number(name) for name in NAMES] == [0, 1, 51, 61, 62]
    download(source_of(mirror), tmp_path, first=1, last=61)
    assert_complete(tmp_path, mirror, NAMES[1:4])


@pytest.mark.parametrize("fault", ["cut", "corrupt", "delay", "503", "429"])
def test_faults_are_mended(mirror, tmp_path: Path, fault: str) -> None:
    mirror.faults = {NAMES[1]: [fault, fault]}
    download(source_of(mirror), tmp_path)
    assert_complete(tmp_path, mirror)


def test_after_a_cut_only_the_rest_is_asked_for(mirror, tmp_path: Path) -> None:
    mirror.faults = {NAMES[0]: ["cut", "cut"]}
    download(source_of(mirror), tmp_path, last=0)
    assert_complete(tmp_path, mirror, NAMES[:1])
    assert mirror.sent[NAMES[0]] == 300_000


def test_a_server_that_ignores_ranges_is_no_harm(mirror, tmp_path: Path) -> None:
    mirror.faults = {NAMES[0]: ["cut", "no-range"]}
    download(source_of(mirror), tmp_path, last=0)
    assert_complete(tmp_path, mirror, NAMES[:1])


def test_too_long_a_leftover_is_thrown_away(mirror, tmp_path: Path) -> None:
    (tmp_path / f".partial-{NAMES[0]}").write_bytes(bytes(400_000))
    download(source_of(mirror), tmp_path, last=0)
    assert_complete(tmp_path, mirror, NAMES[:1])


def test_a_shard_that_never_comes_leaves_the_others_whole(mirror, tmp_path: Path) -> None:
    mirror.faults = {NAMES[2]: ["corrupt"] * 50}
    with pytest.raises(InputError, match=r"trainaZ\.tfrecord: failed 8 times, the last time by MD5 .* run the same"):
        download(source_of(mirror), tmp_path)
    assert_complete(tmp_path, mirror, [name for name in NAMES if name != NAMES[2]])
    mirror.faults = {}
    assert download(source_of(mirror), tmp_path)["downloaded"] == 1
    assert_complete(tmp_path, mirror)


def test_verify_finds_a_shard_that_rotted(mirror, tmp_path: Path) -> None:
    download(source_of(mirror), tmp_path)
    (tmp_path / NAMES[3]).write_bytes(b"rot")
    assert download(source_of(mirror), tmp_path)["downloaded"] == 0
    assert download(source_of(mirror), tmp_path, verify=True)["downloaded"] == 1
    assert_complete(tmp_path, mirror)


def test_a_disk_that_would_not_suffice_is_told_before_a_byte_comes(
    mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = module.shutil.disk_usage(tmp_path)._replace(free=module.SPARE_BYTES + 700_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: full)
    with pytest.raises(InputError, match=r"5 shards need about 0\.0 GB .* about 2 shards would fit"):
        download(source_of(mirror), tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (b"<html>", "the download plan is not JSON"),
        (b"{}", "not a download plan"),
        (b'{"files": {"a": "zz"}}', "not a download plan"),
        (b'{"files": {"../../etc/x": "%s"}}' % (b"0" * 32), "not a plain file name"),
    ],
)
def test_a_wrong_plan_is_refused(mirror, tmp_path: Path, plan: bytes, says: str) -> None:
    mirror.plan = plan
    with pytest.raises(InputError, match=says):
        download(source_of(mirror), tmp_path)


def test_wrong_numbers_are_refused(mirror, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has shards 0-62"):
        download(source_of(mirror), tmp_path, first=5, last=63)
    assert (numbers("5"), numbers("0-99"), numbers("100-")) == ((5, 5), (0, 99), (100, None))
    for text in ("a-b", "3-1", "-4", ""):
        with pytest.raises(InputError, match="write A-B"):
            numbers(text)


def test_an_absent_plan_names_its_address(mirror, tmp_path: Path) -> None:
    source = Source(f"{mirror.address}/absent.json", f"{mirror.address}/shards/{{name}}")
    with pytest.raises(InputError, match=r"absent\.json: HTTP 404"):
        download(source, tmp_path)


@pytest.mark.parametrize("address", ["plan.json", "ftp://mirror/plan.json", "http://"])
def test_what_is_no_address_is_not_tried_again(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="not an address of a mirror; give one that starts with http://"):
        download(Source(address, "http://127.0.0.1/{name}"), tmp_path)


def test_a_mirror_that_keeps_failing_is_told_while_it_is_tried(
    mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.faults = {NAMES[0]: ["503"] * 4}
    download(source_of(mirror), tmp_path, last=0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.endswith("HTTP 503; trying again in 0 s") for line in lines] == [True, True]
    assert_complete(tmp_path, mirror, NAMES[:1])


def command(mirror, folder: Path) -> list[str]:
    return [
        "download", "--partition", "train", "--level", "frame", "--plan-url", source_of(mirror).plan,
        "--shard-url", source_of(mirror).shard, "--workers", "2", "-o", str(folder),
    ]  # fmt: skip


def test_by_hand(mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(command(mirror, tmp_path)) == 0
    assert "5 shards in" in capsys.readouterr().out


def test_killed_at_random_moments_it_goes_on_and_shows_no_part(
    mirror, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    folder = tmp_path / "killed"
    mirror.delay_seconds = 0.1
    mirror.faults = {name: ["cut", "delay"] * 1000 for name in NAMES}

    def look() -> None:
        for path in folder.glob("[!.]*"):
            assert path.read_bytes() == mirror.files[path.name]

    for was_killed in kill_at_random_moments(
        command(mirror, folder), command(mirror, tmp_path / "timed"), pytestconfig.getoption("--kills"), look
    ):
        if not was_killed:
            assert_complete(folder, mirror)
            shutil.rmtree(folder)
