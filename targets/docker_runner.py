"""Steps as containers, each in its image, by the rules of a cluster: no root, a read-only root, no network.

`kfp.local` has a runner of this kind; it reports a container that fails as a success, sees nothing but the artifacts,
and pulls an image that is here already. This one waits for the container's own exit status.
"""

import contextlib
import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from docker.types import DeviceRequest

from targets.docker_daemon import FAILURES, connect, reason
from targets.guardian import Guardian
from targets.mounts import mounts_for
from targets.steps import KILLED, Ended, Step, share_of_cores

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
