"""What an output may be beside a new file: a link, a device, a pipe, a file with a mode, in a folder with leftovers."""

import errno
import fcntl
import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from yt8m import storage
from yt8m.cli import main
from yt8m.errors import InputError
from yt8m.storage import leftovers, local
from yt8m.storage.versioned import versioned

SAMPLE = Path(__file__).parents[2] / "sample"


def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def leave(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, process: int | None = None) -> Path:
    """A leftover of a process, by default of one that was killed."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: process or ended_process())
        patch.setattr(leftovers, "started", lambda number: "12345")
        return leftovers.beside(folder / name)


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name, start in (("there", "old"), ("dangling", None)):
        target, link = tmp_path / "disk" / name, tmp_path / name
        if start:
            target.write_text(start)
        link.symlink_to(target.relative_to(tmp_path))
        (tmp_path / f"{name}2").symlink_to(link)
        storage.write_text(tmp_path / f"{name}2", "new")
        assert link.is_symlink()
        assert target.read_text() == "new"
    assert sorted(os.listdir(tmp_path / "disk")) == ["dangling", "there"]


def test_a_linked_folder_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "disk" / "model").mkdir(parents=True)
    (tmp_path / "model").symlink_to("disk/model")
    with storage.atomic_directory(tmp_path / "model") as folder:
        (folder / "new").touch()
    assert (tmp_path / "model").is_symlink()
    assert os.listdir(tmp_path / "disk") == ["model"]
    assert os.listdir(tmp_path / "disk" / "model") == ["new"]
    assert sorted(os.listdir(tmp_path)) == ["disk", "model"]


def test_a_link_to_itself_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"Too many levels.*loop"):
        storage.write_text(tmp_path / "loop", "x")
    assert (tmp_path / "loop").is_symlink()


def test_a_pipe_and_a_device_are_written_and_stay(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    storage.write_text(pipe, "content")
    reader.join(10)
    assert heard == ["content"]
    assert pipe.is_fifo()
    before = os.stat("/dev/null")
    storage.write_text("/dev/null", "content")
    assert os.stat("/dev/null").st_rdev == before.st_rdev
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        storage.write_text("/dev/full", "content")


def test_an_open_file_is_written_where_it_stands(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w+b", buffering=0) as file:
        file.write(b"before ")
        storage.write_text(f"/dev/fd/{file.fileno()}", "content")
        file.write(b" after")
    assert (tmp_path / "log").read_text() == "before content after"


def test_a_command_that_writes_to_stdout(tmp_path: Path) -> None:
    shard = next((SAMPLE / "validate").glob("*.tfrecord"))
    command = [sys.executable, "-m", "yt8m", "index", str(shard), "--json", "-o", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"PAR1")
    assert json.loads(done.stdout[done.stdout.rindex(b"PAR1") + 4 :])["shards"] == 1


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o640])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(mode)
    storage.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(mode | 0o100)
    with storage.atomic_directory(tmp_path / "folder") as folder:
        (folder / "new").touch()
    assert (tmp_path / "folder").stat().st_mode & 0o777 == mode | 0o100


def test_a_new_file_has_the_mode_of_any_other(tmp_path: Path) -> None:
    for mask in (0o022, 0o077, 0o002):
        before = os.umask(mask)
        try:
            storage.write_text(tmp_path / f"{mask}", "x")
            storage.create_json(tmp_path / f"created {mask}", 1)
            versioned(tmp_path / f"versioned {mask}").write(b"x", None)
        finally:
            os.umask(before)
        for kind in ("", "created ", "versioned "):
            assert (tmp_path / f"{kind}{mask}").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_is_replaced_in_one_step_or_can_be_brought_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_one_step: bool
) -> None:
    """Looked at from another thread, it is there all the time; without an exchange, a killed one is brought back."""
    if not in_one_step:
        monkeypatch.setattr(local, "RENAME_EXCHANGE", 1 << 30)  # which no system knows
    model = tmp_path / "model"
    for number in range(3):
        with storage.atomic_directory(model) as folder:
            (folder / "content").write_text(f"{number}")
    missed, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            missed.append(not model.exists())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(100):
        with storage.atomic_directory(model) as folder:
            (folder / "content").write_text(f"{number}")
    done.set()
    watcher.join()
    assert (model / "content").read_text() == "99"
    assert os.listdir(tmp_path) == ["model"]
    assert not (in_one_step and any(missed))
    os.rename(model, f"{leave(tmp_path, 'model', monkeypatch)}.old")
    storage.clear_leftovers(tmp_path)
    assert (model / "content").read_text() == "99"


def test_leftovers_of_the_dead_are_cleared_and_those_of_the_living_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, folder = leave(tmp_path, "a", monkeypatch), leave(tmp_path, "b", monkeypatch)
    dead.touch()
    (folder / "inside").mkdir(parents=True)
    reused = leave(tmp_path, "c", monkeypatch, os.getpid())  # the number of a process that lives, but another one
    reused.touch()
    resumable = tmp_path / ".partial-train0000.tfrecord"
    resumable.touch()
    other, old = (tmp_path / f".partial-{name}-00000000-1-1-abcdefgh" for name in "de")  # of another machine
    for path in (other, old):
        path.touch()
    os.utime(old, (0, 0))
    with storage.atomic_file(tmp_path / "mine") as mine:
        mine.write_text("x")
        storage.write_text(tmp_path / "other", "y")
        assert set(tmp_path.iterdir()) == {mine, resumable, other, tmp_path / "other"}
    assert (tmp_path / "mine").read_text() == "x"


def test_scratch_folders_of_the_dead_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", ended_process)
        patch.setattr(leftovers, "started", lambda number: "12345")
        (tmp_path / f"{storage.scratch_prefix()}dead").mkdir()
    (tmp_path / "yt8m-of-somebody").mkdir()
    with storage.scratch_folder() as mine:
        with storage.scratch_folder() as another:
            assert set(tmp_path.iterdir()) == {mine, another, tmp_path / "yt8m-of-somebody"}
        assert mine.exists()


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    name = "é" * 120
    storage.write_text(tmp_path / name, "x")
    assert os.listdir(tmp_path) == [name]


def limited(function: object, path: Path, size: int) -> str:
    """What a function raises in a process whose files may not grow beyond so many bytes."""
    import resource

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            function(path)  # type: ignore[operator]
        except OSError as error:
            answers.put((error.errno, error.filename, type(error).__name__))
        except BaseException as error:
            answers.put((None, str(error), type(error).__name__))

    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=work)
    process.start()
    answer = answers.get()
    process.join()
    return answer


def write_h5(path: Path) -> None:
    import h5py

    with storage.atomic_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("x", data=np.arange(1 << 16))


def write_parquet(path: Path) -> None:
    import pyarrow as pa

    from yt8m.artifacts import write_table

    write_table(path, pa.table({"x": np.random.default_rng(0).random(1 << 16)}), "video_index", {})


def write_folder(path: Path) -> None:
    with storage.atomic_directory(path) as folder:
        (folder / "inside").write_bytes(bytes(1 << 16))


def write_arrays(path: Path) -> None:
    with storage.atomic_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, x=np.zeros(1 << 16))


@pytest.mark.parametrize(
    "write", [write_parquet, write_h5, write_folder, write_arrays, lambda path: storage.write_text(path, "x" * 65536)]
)
def test_a_full_disk_names_the_path_whoever_writes(tmp_path: Path, write: object) -> None:
    (tmp_path / "output").mkdir()
    answer = limited(write, tmp_path / "output" / "file", 4096)
    assert answer == (errno.EFBIG, str(tmp_path / "output" / "file"), "OSError")
    assert os.listdir(tmp_path / "output") == []


def test_no_permission_names_the_output_and_no_temporary_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(PermissionError) as error:
        storage.write_text(tmp_path / "file", "x")
    assert error.value.filename == str(tmp_path / "file")


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with storage.alone_in(tmp_path / "out", "a test"):
        says = r"out: another command is at work in this folder; wait for it, or choose another"
        with pytest.raises(InputError, match=says), storage.alone_in(tmp_path / "out", "another"):
            pass
        assert os.listdir(tmp_path / "out") == []
    with storage.alone_in(tmp_path / "out", "a third"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: is a file; name a folder"), storage.alone_in(tmp_path / "file", "x"):
        pass


def test_where_folders_cannot_be_locked_a_lease_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: object, how: int, work: object = fcntl.flock) -> None:
        if isinstance(file, int):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        work(file, how)  # type: ignore[operator]

    monkeypatch.setattr(fcntl, "flock", flock)
    taken = pytest.raises(InputError, match=re.escape("is at work here (another)"))
    with storage.alone_in(tmp_path / "out", "a test"), taken, storage.alone_in(tmp_path / "out", "another"):
        pass


@pytest.mark.parametrize(("command", "option"), [("simulate", "--max-frames=2"), ("index", "--verify")])
def test_a_source_that_is_replaced_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    from yt8m.data.records import build, simulate

    first, second = sorted((SAMPLE / "train").glob("*.tfrecord"))[:2]
    shard = tmp_path / "source" / "a.tfrecord"
    storage.copy_file(first, shard)

    def replace(work: object) -> object:
        def replacing(*arguments: object, **options: object) -> object:
            storage.copy_file(second, shard)
            return work(*arguments, **options)  # type: ignore[operator]

        return replacing

    monkeypatch.setattr(build, "scan_shard", replace(build.scan_shard))
    monkeypatch.setattr(simulate, "iterate", replace(simulate.iterate))
    assert main([command, str(shard), option, "-o", str(tmp_path / "out")]) == 2
    assert "a.tfrecord: was changed while it was read; run the same command again" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*.tfrecord"))
    assert not (tmp_path / "out").is_file()
