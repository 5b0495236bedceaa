"""Steps as containers, each in its image, by the rules of a cluster: no root, a read-only root, no network.

`kfp.local` has a runner of this kind; it reports a container that fails as a success, sees nothing but the artifacts,
and pulls an image that is here already. This one waits for the container's own exit status.
"""

import contextlib
import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from docker.types import DeviceRequest, Mount
from requests import RequestException

from targets.guardian import Guardian
from targets.settings import DIGEST
from targets.steps import KILLED, Ended, Step, share_of_cores
from yt8m.errors import InputError
from yt8m.progress import log

FOLDER_LABEL, STEP_LABEL = "yt8m.run-folder", "yt8m.step"
ANYBODY = "1000:1000"  # the user of the images
STOP_SECONDS = 10  # from SIGTERM to SIGKILL; docker's own default
SHARED_MEMORY = "1g"
NOT_STARTED = 125  # as `docker run` exits


class DockerRunner:
    """Runs steps as containers.

    Args:
        folder: of the run; containers that an earlier run left in it are removed.
        writable: folders that the steps write to.
        arguments: of the run; what they name is mounted for reading.
        scratch: folder for temporary files.
        jobs: how many steps run beside each other; they share the cores.

    Raises:
        InputError: docker cannot be reached.
    """

    def __init__(self, folder: Path, writable: list[str], arguments: dict[str, Any], scratch: str, jobs: int):
        self._folder, self._scratch = str(folder), scratch
        self._stopped, self._running, self._guardian = False, set[str](), Guardian()
        with contextlib.closing(connect()) as client:
            info = client.info()
            for leftover in client.containers.list(all=True, filters={"label": f"{FOLDER_LABEL}={folder}"}):
                leftover.remove(force=True)
        self.user = container_user(info["SecurityOptions"], os.getuid(), os.getgid())
        for path in writable:
            os.makedirs(path, exist_ok=True)
        hand_over([scratch, *writable], self.user)
        self._settings = {
            "user": self.user,
            "mounts": mounts_for(arguments, [*writable, scratch]),
            "network_mode": "host" if "://" in str(arguments) else "none",
            "device_requests": gpus(info),
            **LOCKED_DOWN,
        }
        self._environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **share_of_cores(jobs, info["NCPU"])}

    def execute(self, step: Step, hear: Callable[[str], None]) -> Ended:
        hear(f"in a container of {step.image} as user {self.user}")
        try:
            with contextlib.closing(connect()) as client:
                return self._run(client, step, hear)
        except FAILURES as error:
            hear(f"DockerError: {reason(error)}")
            return Ended(NOT_STARTED)

    def _run(self, client: Any, step: Step, hear: Callable[[str], None]) -> Ended:
        container = client.containers.create(
            step.image, entrypoint=step.command[:1], command=step.command[1:],
            environment={**self._environment, "TMPDIR": self._temporary(), **step.environment},
            labels={FOLDER_LABEL: self._folder, STEP_LABEL: step.title}, **self._settings,
        )  # fmt: skip
        self._running.add(container.id)
        try:
            with self._guardian.guarding("container", container.id):
                return self._follow(container, hear)
        finally:
            self._running.discard(container.id)
            container.remove(force=True)

    def _follow(self, container: Any, hear: Callable[[str], None]) -> Ended:
        container.start()
        if self._stopped:
            container.kill()
        memory = PeakMemory(container.id)
        memory.start()
        for line in lines(container.logs(stream=True, follow=True)):
            hear(line)
        code = container.wait()["StatusCode"]
        container.reload()
        starved = container.attrs["State"]["OOMKilled"]
        lost = code == KILLED and not starved and not self._stopped
        return Ended(code, memory.bytes, out_of_memory=bool(code) and starved, lost=lost)

    def _temporary(self) -> str:
        folder = tempfile.mkdtemp(dir=self._scratch)
        hand_over([folder], self.user)
        return folder

    def close(self) -> None:
        self._guardian.close()

    def stop(self) -> None:
        self._stopped = True
        with contextlib.closing(connect()) as client:
            running = list(self._running)
            for stop in (terminate_container, end_container):
                for container in running:
                    with contextlib.suppress(*FAILURES):
                        stop(client, container)


def terminate_container(client: Any, container: str) -> None:
    """SIGTERM to every process but the first, a shell that would neither heed it nor hand it on."""
    client.api.exec_start(client.api.exec_create(container, ["sh", "-c", "kill -TERM -1"]))


def end_container(client: Any, container: str) -> None:
    """Stop it, by force in the end."""
    client.api.stop(container, timeout=STOP_SECONDS)


LOCKED_DOWN: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "shm_size": SHARED_MEMORY,
    "healthcheck": {"test": ["NONE"]},
}


def container_user(security_options: list[str], uid: int, gid: int) -> str:
    """Whom a container runs as: the caller, so that files belong to the caller; for root, the images' own user.

    Under a daemon without root, the container's root is the caller, and any other user is nobody here.
    """
    if any(option.startswith("name=rootless") for option in security_options):
        return "0:0"
    return ANYBODY if uid == 0 else f"{uid}:{gid}"


def hand_over(folders: Iterable[str], user: str) -> None:
    """As root, give these folders and all in them to the user of the containers."""
    if os.getuid() or user == "0:0":
        return
    uid, gid = (int(number) for number in user.split(":"))
    for folder in folders:
        for place, _, files in os.walk(folder):
            for path in [place, *(os.path.join(place, name) for name in files)]:
                if os.lstat(path).st_uid != uid:
                    os.chown(path, uid, gid, follow_symlinks=False)


def gpus(info: dict[str, Any]) -> list[DeviceRequest]:
    """All GPUs where the daemon knows NVIDIA's runtime, and none elsewhere."""
    if "nvidia" not in info.get("Runtimes", {}):
        return []
    return [DeviceRequest(count=-1, capabilities=[["gpu"]])]


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines of a stream that is cut anywhere."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip()
    if rest:
        yield rest.decode("utf-8", "replace").rstrip()


class PeakMemory(threading.Thread):
    """Watches a container's memory, once a second.

    Attributes:
        bytes: the most that it held so far, without the file cache that the kernel can take back; None for one that
            ends within a second.
    """

    def __init__(self, container: str):
        super().__init__(daemon=True)
        self._container = container
        self.bytes: int | None = None

    def run(self) -> None:
        with contextlib.suppress(*FAILURES), contextlib.closing(connect()) as client:
            samples = client.api.stats(self._container, decode=True, stream=True)
            for sample in itertools.islice(samples, 1, None):
                if (held := working_set(sample["memory_stats"])) is None:
                    return
                self.bytes = max(self.bytes or 0, held)


def working_set(memory: dict[str, Any]) -> int | None:
    """Bytes in use without inactive file cache, from either version of control groups; None of an ended container."""
    if "usage" not in memory:
        return None
    details = memory.get("stats", {})
    return int(memory["usage"]) - int(details.get("total_inactive_file", details.get("inactive_file", 0)))


CODE_LABEL = "yt8m.code-version"  # which library an image holds; see containers/images
FAILURES = (DockerException, RequestException)


@dataclass(frozen=True)
class LocalImage:
    """An image that the daemon has: its name, the identity of its content, and which library it holds if it says so."""

    name: str
    id: str
    code_version: str | None


def connect() -> docker.DockerClient:
    """A client of the daemon that `DOCKER_HOST` names, or of this machine's.

    Raises:
        InputError: none answers.
    """
    try:
        return docker.from_env()
    except FAILURES as error:
        raise InputError(f"docker cannot be reached ({reason(error)}); start its daemon, with access for this user, "
                         "or run with --runner subprocess") from error  # fmt: skip


def find_images(names: Mapping[str, str]) -> dict[str, LocalImage]:
    """The images of these names, under the same keys; only one by digest is pulled, and only where it is not here.

    Raises:
        InputError: an image is not here and cannot be pulled, or docker cannot be reached.
    """
    client = connect()
    try:
        return {key: _local(name, _find(client, name)) for key, name in names.items()}
    finally:
        client.close()


def _local(name: str, image: Any) -> LocalImage:
    return LocalImage(name, image.id, image.labels.get(CODE_LABEL))


def _find(client: docker.DockerClient, name: str) -> Any:
    try:
        return client.images.get(name)
    except ImageNotFound as error:
        if DIGEST not in name:
            raise InputError(f"there is no image {name} on this machine; `make images` builds it "
                             "(without a GPU: make images TRAINER=cpu)") from error  # fmt: skip
    log(f"pulling {name}")
    try:
        repository, _, digest = name.partition("@")
        return client.images.pull(repository, tag=digest)
    except FAILURES as error:
        raise InputError(f"the image {name} is not on this machine and cannot be pulled ({reason(error)})") from error


def reason(error: Exception) -> str:
    """The innermost cause of a client's error, as one line."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return " ".join(str(getattr(error, "explanation", None) or cause).split())


GLOB = frozenset("*?[")


def mounts_for(arguments: Any, writable: list[str]) -> list[Mount]:
    """Folders to write to, and for reading whatever the arguments name.

    Args:
        arguments: of the run; a value in them that is an absolute path, at any depth, is mounted: a file or folder as
            it is, of a glob the folder before its first wildcard. Where a folder holds links, so is what they lead to.
        writable: folders to write to.
    """
    reading = {path for text in _texts(arguments) for path in _paths(text)}
    mounts = [Mount(path, path, type="bind") for path in writable]
    return mounts + [Mount(path, path, type="bind", read_only=True) for path in sorted(reading.difference(writable))]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _paths(text: str) -> Iterator[str]:
    if not os.path.isabs(text):
        return
    path = Path(text)
    if not path.exists():
        path = next((parent for parent in path.parents if not GLOB & set(str(parent))), path)
    path = Path(os.path.normpath(path))
    if path.exists() and path != Path(path.anchor):
        yield str(path)
        yield from _behind_links(path)


def _behind_links(path: Path) -> Iterator[str]:
    """The folders that the links in a folder lead to, through every link on the way."""
    for entry in path.iterdir() if path.is_dir() else [path]:
        while entry.is_symlink():
            entry = Path(os.path.normpath(entry.parent / os.readlink(entry)))
            if entry.exists() and entry.parent != Path(entry.anchor):
                yield str(entry.parent)
