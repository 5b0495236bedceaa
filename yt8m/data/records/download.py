"""Shards from the official mirror: parallel, resumable, MD5 verified.

The mirror publishes a plan for each partition, `http://data.yt8m.org/2/download_plans/frame_train.json`, a JSON object
whose `files` maps each shard to its MD5; shards lie at `http://{us,eu,asia}.data.yt8m.org/2/frame/train/NAME`.

A shard is written to `.partial-NAME`, resumed there by a ranged request after any interruption, verified, then renamed:
a file of the final name is whole and correct. So a second run asks only for what is missing.
"""

import hashlib
import os
import re
import shutil
import string
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests
import tenacity
import urllib3

from yt8m.errors import InputError, one_line
from yt8m.progress import Progress, log
from yt8m.storage import PARTIAL, StrPath, alone_in

MIRRORS = ("us", "eu", "asia")
PARTITIONS = ("train", "validate", "test")
LEVELS = ("frame", "video")
PLAN_URL = "http://data.yt8m.org/2/download_plans/{level}_{partition}.json"
SHARD_URL = "http://{mirror}.data.yt8m.org/2/{level}/{partition}/{name}"
CODE = string.ascii_lowercase + string.ascii_uppercase + string.digits
CHUNK = 1 << 20
TRIES = 8
FIRST_PAUSE_SECONDS = 0.5
TOLD_FROM = 2  # a first and a second failure mend themselves; further ones are told as they come
TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, and between two bytes
SPARE_BYTES = 1 << 30  # left free on the disk

Value = TypeVar("Value")


@dataclass(frozen=True)
class Source:
    """Where one partition lies: the address of its plan and of its shards (a template with `{name}`)."""

    plan: str
    shard: str

    @classmethod
    def official(cls, partition: str, level: str, mirror: str) -> "Source":
        """The official mirror's addresses."""
        place = {"partition": partition, "level": level, "mirror": mirror}
        return cls(PLAN_URL.format(**place), SHARD_URL.format(name="{name}", **place))


class _Transient(Exception):
    """Something that another try may mend."""


def shard_number(name: str) -> int | None:
    """The number of an official shard name: 62 i + j of its two-character code over a-z, A-Z, 0-9.

    `trainab.tfrecord` is 1. None for names of another form.
    """
    match = re.fullmatch(r"(?:train|validate|test)([a-zA-Z0-9])([a-zA-Z0-9])\.tfrecord", name)
    return len(CODE) * CODE.index(match[1]) + CODE.index(match[2]) if match else None


def download(
    source: Source,
    output_dir: StrPath,
    *,
    first: int = 0,
    last: int | None = None,
    workers: int = 8,
    verify: bool = False,
) -> dict[str, Any]:
    """Download the shards numbered `first` to `last` (inclusive; None: to the end) into a folder.

    Args:
        source: the partition's addresses.
        output_dir: the folder; what is already there is kept.
        first: number of the first shard.
        last: number of the last shard.
        workers: shards at a time.
        verify: also recompute the MD5 of shards that are already there, and fetch the wrong ones anew.

    Returns:
        `{shards, downloaded, kept, bytes, seconds, folder}`; bytes are those that came over the network.

    Raises:
        InputError: no plan, no such shards, too little disk space, or shards that failed for good (the rest is kept).
    """
    started = time.monotonic()
    folder = Path(output_dir)
    with alone_in(folder, "a download"):
        wanted = _select(_plan(source.plan), first, last, source.plan)
        missing = {name: md5 for name, md5 in wanted.items() if not _is_there(folder / name, md5, verify)}
        if missing:
            _check_space(source, folder, list(missing))
        received = _fetch_all(source, folder, missing, workers)
    return {
        "shards": len(wanted),
        "downloaded": len(missing),
        "kept": len(wanted) - len(missing),
        "bytes": received,
        "seconds": round(time.monotonic() - started, 1),
        "folder": str(folder),
    }


def _plan(address: str) -> dict[str, str]:
    """Shard name -> MD5, as the mirror publishes it."""

    def fetch() -> Any:
        with _get(address) as answer:
            try:
                return answer.json()
            except requests.exceptions.JSONDecodeError as error:
                raise InputError(f"{address}: the download plan is not JSON; check the address") from error

    plan = _with_retries(address, fetch)
    files = plan.get("files", plan) if isinstance(plan, dict) else None
    if not files or not all(re.fullmatch(r"[0-9a-f]{32}", str(md5)) for md5 in files.values()):
        raise InputError(f"{address}: not a download plan (an object of shard names and MD5s); check the address")
    unsafe = next((name for name in files if os.path.basename(name) != name or name.startswith(".")), None)
    if unsafe is not None:
        raise InputError(f"{address}: the plan names '{unsafe}', which is not a plain file name; check the address")
    return dict(files)


def _select(plan: dict[str, str], first: int, last: int | None, address: str) -> dict[str, str]:
    names = sorted(plan, key=lambda name: (shard_number(name) or 0, name))
    numbers = [shard_number(name) for name in names]
    places = [place if number is None else number for place, number in enumerate(numbers)]
    top = max(places)
    if not 0 <= first <= (top if last is None else last) <= top:
        raise InputError(
            f"--shards {first}-{'' if last is None else last}: {address} has shards 0-{top}; choose from these"
        )
    chosen = range(first, (top if last is None else last) + 1)
    return {name: plan[name] for place, name in zip(places, names, strict=True) if place in chosen}


def _is_there(path: Path, md5: str, verify: bool) -> bool:
    if not path.exists():
        return False
    if verify and _md5_of(path).hexdigest() != md5:
        path.unlink()
        return False
    return True


def _md5_of(path: Path) -> Any:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest


def _check_space(source: Source, folder: Path, names: list[str]) -> None:
    """Refuse at once what cannot fit, judged by the sizes of a few of the shards."""
    probes = names[:: max(1, len(names) // 4)][:4]
    sizes = [_size_of(source.shard.format(name=name)) for name in probes]
    present = sum(path.stat().st_size for path in folder.glob(f"{PARTIAL}*"))
    needed = sum(sizes) / len(sizes) * len(names) - present
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if needed > free:
        fit = max(0, int(free / (sum(sizes) / len(sizes))))
        raise InputError(
            f"{folder}: {len(names)} shards need about {needed / 1e9:.1f} GB and {max(free, 0) / 1e9:.1f} GB are free"
            f" (1 GB is left in reserve); about {fit} shards would fit: choose fewer with --shards, or another disk"
        )


def _size_of(address: str) -> int:
    def head() -> int:
        try:
            answer = requests.head(address, timeout=TIMEOUT_SECONDS, allow_redirects=True)
        except requests.RequestException as error:
            raise _problem_of(error, address) from error
        _check_status(answer, address)
        return int(answer.headers.get("Content-Length", 0))

    return _with_retries(address, head)


def _fetch_all(source: Source, folder: Path, missing: dict[str, str], workers: int) -> int:
    counter = _Counter()
    failures: list[InputError] = []
    stop = threading.Event()
    with Progress("downloading", len(missing), "shards") as progress, ThreadPoolExecutor(workers) as pool:
        jobs = [
            pool.submit(_fetch, source.shard.format(name=name), folder / name, md5, counter, stop)
            for name, md5 in missing.items()
        ]
        try:
            for job in as_completed(jobs):
                error = job.exception()
                if error is not None and not isinstance(error, InputError):
                    raise error
                if isinstance(error, InputError):
                    failures.append(error)
                progress.advance(note=f"{counter.total / 1e6:,.0f} MB")
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        more = f" (and {len(failures) - 1} more shards)" if len(failures) > 1 else ""
        raise InputError(f"{failures[0]}{more}; run the same command again: it goes on from here")
    return counter.total


class _Counter:
    """Bytes received, over all threads."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self.total += count


def _fetch(address: str, path: Path, md5: str, counter: _Counter, stop: threading.Event) -> None:
    partial = path.with_name(f"{PARTIAL}{path.name}")

    def once() -> None:
        _receive(address, partial, counter, stop)
        found = _md5_of(partial).hexdigest()
        if found != md5:
            partial.unlink()
            raise _Transient(f"MD5 {found} instead of {md5}")

    _with_retries(address, once, stop.wait)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def _receive(address: str, partial: Path, counter: _Counter, stop: threading.Event) -> None:
    """Append what is missing of one shard to its partial file."""
    if stop.is_set():
        raise InputError(f"{address}: stopped")
    start = partial.stat().st_size if partial.exists() else 0
    with _get(address, start) as answer, open(partial, "ab") as file:
        if answer.status_code == 416:  # nothing after `start`: the file is complete, or too long
            return
        if answer.status_code != 206:
            file.truncate(0)
        expected, received = int(answer.headers.get("Content-Length", -1)), 0
        try:
            while (chunk := answer.raw.read1(CHUNK)) and not stop.is_set():  # what came, before a cut is noticed
                file.write(chunk)
                counter.add(len(chunk))
                received += len(chunk)
        except urllib3.exceptions.HTTPError as error:
            raise _Transient(str(error)) from error
        if received < expected:
            raise _Transient(f"the connection closed after {received:,} of {expected:,} bytes")


def _get(address: str, start: int = 0) -> requests.Response:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        answer = requests.get(address, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise _problem_of(error, address) from error
    if not (start and answer.status_code == 416):
        _check_status(answer, address)
    return answer


def _problem_of(error: requests.RequestException, address: str) -> Exception:
    """What another try may mend, or an address that no try makes better."""
    if isinstance(error, ValueError):  # no scheme, an unknown one, no host
        return InputError(f"{address}: not an address of a mirror; give one that starts with http:// or https://")
    return _Transient(str(error))


def _check_status(answer: requests.Response, address: str) -> None:
    if answer.status_code in (408, 429) or answer.status_code >= 500:
        raise _Transient(f"HTTP {answer.status_code}")
    if answer.status_code >= 400:
        raise InputError(f"{address}: HTTP {answer.status_code} {answer.reason}; check partition, level and mirror")


def _with_retries(address: str, function: Callable[[], Value], pause: Callable[[float], Any] = time.sleep) -> Value:
    """Call until it works; the pause doubles from try to try."""

    def tell(state: tenacity.RetryCallState) -> None:
        if state.outcome is not None and state.attempt_number > TOLD_FROM:
            log(f"{address}: {one_line(state.outcome.exception())}; trying again in {state.upcoming_sleep:.0f} s")

    try:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Transient), wait=tenacity.wait_exponential(FIRST_PAUSE_SECONDS),
            stop=tenacity.stop_after_attempt(TRIES), before_sleep=tell, sleep=pause,
        )(function)  # fmt: skip
    except tenacity.RetryError as error:
        last = error.last_attempt.exception()
        raise InputError(f"{address}: failed {TRIES} times, the last time by {one_line(last)}") from last


def numbers(text: str) -> tuple[int, int | None]:
    """`5` -> (5, 5), `0-99` -> (0, 99), `100-` -> (100, None).

    Raises:
        InputError: anything else.
    """
    match = re.fullmatch(r"(\d+)(-(\d*))?", text)
    if not match:
        raise InputError(f"--shards {text}: write A-B, e.g. 0-99 (or 100- for all from 100 on)")
    first = int(match[1])
    last = first if match[2] is None else int(match[3]) if match[3] else None
    if last is not None and last < first:
        raise InputError(f"--shards {text}: the last shard comes before the first; write A-B, e.g. 0-99")
    return first, last
