"""Processes as others of the same machine can look them up, after their end too."""

import os
import socket
from contextlib import suppress
from functools import cache
from typing import Any


def this_process() -> dict[str, Any]:
    """This process: `{host, machine, process, started}`."""
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "process": os.getpid(),
        "started": started(os.getpid()),
    }


def started(process: int) -> str | None:
    """When a process was started, in the kernel's own unit; None if it is not there, or is dead and not yet buried."""
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _machine() -> str:
    """The machine since its start, and its space of process numbers."""
    return f"{socket.gethostname()} {_boot()} {_process_space()}"


@cache
def _boot() -> str:
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
    return ""


def _process_space() -> str:
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""
