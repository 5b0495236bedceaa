"""gs:// by google-cloud-storage: listing, ranged reads, staging, uploads with generation preconditions.

Every call is retried as `google_calls` says; of a listing each page by itself, of a long transfer what is left of it.
An object appears whole
or not at all (that is the service's own promise); a precondition on its generation decides who wins a race. An upload
whose answer was lost is sent again and then meets its own object: a token in the object's metadata tells it apart
from somebody else's.
"""

import base64
import fnmatch
import functools
import gzip
import http.client
import os
import re
import struct
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar

import google.cloud.storage as storage
import google_crc32c
from crc32c import crc32c
from google.api_core import exceptions, retry
from requests.adapters import HTTPAdapter

from yt8m.errors import InputError, WriteConflict
from yt8m.storage.google_calls import explained, patience
from yt8m.storage.leftovers import StrPath
from yt8m.storage.local import atomic_file

SCHEME = "gs://"
TOKEN = "yt8m-upload"
TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, and between two bytes
ROLE = "roles/storage.objectUser on the bucket"
BLOCK_BYTES = 1 << 20
CONNECTIONS = 64  # kept open for the threads of this process

Value = TypeVar("Value")


class ShortRead(ConnectionError):
    """The service sent fewer bytes than were asked for, or others."""


def split(address: str) -> tuple[str, str]:
    """`gs://bucket/a/b` -> (`bucket`, `a/b`)."""
    bucket, _, name = address.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise InputError(f"{address}: the bucket is missing; write gs://BUCKET/PATH")
    return bucket, name


@functools.cache
def client(process: int = 0) -> storage.Client:
    """The client of this process (a client does not survive a fork: pass os.getpid())."""
    with explained("gs://", ROLE):
        made = storage.Client() if not os.environ.get("STORAGE_EMULATOR_HOST") else storage.Client(project="emulator")
    for scheme in ("http://", "https://"):
        made._http.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return made


def blob_of(address: str, generation: int | None = None) -> storage.Blob:
    """The object's handle; nothing is sent."""
    bucket, name = split(address)
    return client(os.getpid()).bucket(bucket).blob(name, generation=generation)


def call(
    address: str,
    function: Callable[[retry.Retry], Value],
    *,
    generation: int | None = None,
    given_up: threading.Event | None = None,
) -> Value:
    """Call with retries; what remains becomes one line that names the object.

    Args:
        address: the object.
        function: what to call; what it is given says how a client that goes on by itself tries a part again.
        generation: the only one that will do.
        given_up: once it is set nothing is tried again.

    Raises:
        InputError: not found, not allowed, no credentials, or still failing when patience is over.
        WriteConflict: a precondition does not hold.
    """
    with explained(address, ROLE):
        try:
            policy = patience(given_up=given_up)  # one for the parts and the whole: nothing is given up twice
            return policy(functools.partial(function, policy))()
        except exceptions.NotFound as error:
            raise InputError(f"{address}: {_absent(generation)}") from error
        except exceptions.PreconditionFailed as error:
            raise WriteConflict(f"{address}: somebody else changed this object; read it again, then decide") from error


def _absent(generation: int | None) -> str:
    if generation is None:
        return "no such object or bucket; check the address"
    return f"no such object of generation {generation} any more, it was replaced or deleted; index the shards again"


def crc32c_of(blob: storage.Blob) -> str:
    """The object's CRC32C as 8 hexadecimal digits."""
    return f"{struct.unpack('>I', base64.b64decode(blob.crc32c))[0]:08x}"


def list_objects(address: str) -> list[storage.Blob]:
    """The objects directly below a folder address, in name order, all pages; with `*?[` in it, those that match.

    A wildcard matches within one level, as in a local glob.
    """
    bucket, name = split(address)
    literal = re.split(r"[*?\[]", name, maxsplit=1)[0]
    is_glob = literal != name
    prefix = literal if is_glob or not name else name.rstrip("/") + "/"

    def pages(policy: retry.Retry) -> list[storage.Blob]:
        delimiter = None if is_glob else "/"
        return list(
            client(os.getpid()).list_blobs(
                bucket, prefix=prefix, delimiter=delimiter, timeout=TIMEOUT_SECONDS, retry=policy
            )
        )

    blobs = sorted(call(address, pages), key=lambda blob: str(blob.name))
    return [blob for blob in blobs if not is_glob or _matches(str(blob.name), name)]


def _matches(name: str, pattern: str) -> bool:
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def list_below(address: str) -> list[storage.Blob]:
    """The objects below a folder address at any depth, in name order, all pages; none is fine, no bucket is not."""
    bucket, name = split(address)
    prefix = name.rstrip("/") + "/" if name else ""

    def pages(policy: retry.Retry) -> list[storage.Blob]:
        return list(client(os.getpid()).list_blobs(bucket, prefix=prefix, timeout=TIMEOUT_SECONDS, retry=policy))

    return sorted(call(address, pages), key=lambda blob: str(blob.name))


def describe(address: str) -> storage.Blob | None:
    """The object with its metadata, or None when there is none."""
    bucket, name = split(address)
    handle = client(os.getpid()).bucket(bucket)
    return call(address, lambda _: handle.get_blob(name, timeout=TIMEOUT_SECONDS, retry=None))


def read_bytes(address: str) -> tuple[bytes, int]:
    """The whole object and its generation; its CRC32C is verified by the client."""

    def download(_: retry.Retry) -> tuple[bytes, int]:
        blob = blob_of(address)
        data = blob.download_as_bytes(timeout=TIMEOUT_SECONDS, retry=None)
        return data, int(blob.generation or 0)

    return call(address, download)


def read_range(address: str, offset: int, length: int, generation: int | None = None) -> bytes:
    """`length` bytes from `offset`, of that generation if one is given; short reads are repeated."""

    def download(_: retry.Retry) -> bytes:
        blob = blob_of(address, generation)
        data = blob.download_as_bytes(
            start=offset, end=offset + length - 1, timeout=TIMEOUT_SECONDS, retry=None, checksum=None
        )
        if len(data) != length:
            raise ShortRead(f"{len(data)} of {length} bytes came")
        return data

    return call(address, download, generation=generation) if length else b""


def download(
    address: str,
    path: StrPath,
    generation: int | None = None,
    given_up: threading.Event | None = None,
) -> None:
    """The object into a local file (its CRC32C is verified); the file is not there unless it is whole."""
    with atomic_file(path) as temporary:
        with open(temporary, "wb") as file:
            transfer = _Transfer(address, file, generation, given_up)
            transfer.run()
        if transfer.is_packed:
            packed = Path(temporary).read_bytes()
            Path(temporary).write_bytes(gzip.decompress(packed))


def copy_range(
    address: str,
    file: BinaryIO,
    offset: int,
    length: int,
    generation: int | None = None,
    given_up: threading.Event | None = None,
) -> None:
    """`length` bytes of an object from `offset` to where a local file stands."""
    _Transfer(address, file, generation, given_up, offset, offset + length).run()


class _Transfer:
    """An object, or a range of it, on its way into a file: it goes on where it broke off.

    The bytes go through one block of memory, where their CRC32C is computed, and come as they are stored. The client's
    own downloads pass blocks of 8 KB through four layers, at a quarter of the rate (docs/performance.md).

    Args:
        address: of the object.
        file: written from where it stands.
        generation: the only one that will do; otherwise that of the first answer.
        given_up: once it is set nothing more is fetched.
        start, end: of the range; None for the end of the object, which is then compared with its CRC32C.

    Attributes:
        is_packed: whether the object is stored compressed, by its Content-Encoding.
    """

    def __init__(
        self,
        address: str,
        file: BinaryIO,
        generation: int | None,
        given_up: threading.Event | None,
        start: int = 0,
        end: int | None = None,
    ):
        self._address, self._file, self._wanted, self._generation = address, file, generation, generation
        self._origin, self._start, self._end = file.tell(), start, end
        self._given_up, self._done, self._crc, self.is_packed = given_up, 0, 0, False

    def run(self) -> None:
        """Fetch it all; patience begins anew whenever something has come. Errors as of `call`."""
        while True:
            done = self._done
            try:
                return call(self._address, lambda _: self._go_on(), generation=self._wanted, given_up=self._given_up)
            except InputError as error:
                if not isinstance(error.__cause__, exceptions.RetryError) or self._done <= done:
                    raise

    def _go_on(self) -> None:
        """Fetch what is left; raises what `call` tries again, or explains."""
        here = client(os.getpid())
        headers = {"Accept-Encoding": "gzip"}  # that is, as it is stored; nothing is unpacked on the way
        position = self._start + self._done
        if position or self._end is not None:
            headers["Range"] = f"bytes={position}-{'' if self._end is None else self._end - 1}"
        url = blob_of(self._address, self._generation)._get_download_url(here)
        with here._http.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            if response.status_code == http.client.NOT_FOUND and self._generation != self._wanted:
                self._begin_anew("the object was replaced meanwhile")
            if not response.ok:
                raise exceptions.from_http_response(response)
            if "Range" in headers and response.status_code != http.client.PARTIAL_CONTENT:
                raise ShortRead(f"the service answered {response.status_code} to a request for a range")
            self._generation = self._generation or int(response.headers.get("x-goog-generation", 0)) or None
            self._take(response.raw)
        if self._end is None:
            self._verify(response.headers)
        elif self._done != self._end - self._start:
            raise ShortRead(f"{self._done} of {self._end - self._start} bytes came")

    def _take(self, stream: Any) -> None:
        block = memoryview(bytearray(BLOCK_BYTES))
        while count := stream.readinto(block):
            if self._given_up is not None and self._given_up.is_set():
                raise ShortRead("given up")
            self._crc = crc32c(block[:count], self._crc)
            self._file.write(block[:count])
            self._done += count

    def _verify(self, headers: Mapping[str, str]) -> None:
        stored = re.search(r"crc32c=([\w+/=]+)", headers.get("x-goog-hash", ""))
        if stored is None and "content-length" not in headers:
            self._begin_anew("it came without its length and CRC32C")
        if stored and base64.b64decode(stored[1]) != struct.pack(">I", self._crc):
            self._begin_anew("what came has not the CRC32C of the object")
        self.is_packed = headers.get("content-encoding", "") == "gzip"

    def _begin_anew(self, why: str) -> NoReturn:
        self._file.seek(self._origin)
        self._file.truncate()
        self._done, self._crc, self._generation = 0, 0, self._wanted
        raise ShortRead(why)


def upload(path: StrPath, address: str, expected_generation: int | None = None) -> int:
    """A local file to an object, whole or not at all; returns its generation.

    Args:
        path: the local file.
        address: the object.
        expected_generation: the generation that must be there now (0: none may be there); None overwrites any.

    Raises:
        WriteConflict: another generation is there.
    """
    token = uuid.uuid4().hex

    def send(policy: retry.Retry) -> int:
        blob = blob_of(address)
        blob.metadata = {TOKEN: token}
        blob.upload_from_filename(
            os.fspath(path), if_generation_match=expected_generation, timeout=TIMEOUT_SECONDS, checksum="crc32c",
            retry=policy,
        )  # fmt: skip
        return int(blob.generation or 0)

    try:
        return call(address, send)
    except WriteConflict:
        present = describe(address)
        if present is not None and (present.metadata or {}).get(TOKEN) == token:
            return int(present.generation or 0)
        raise


def delete(address: str, expected_generation: int | None = None) -> None:
    """Delete the object; none there is fine."""

    def send(_: retry.Retry) -> None:
        try:
            blob_of(address).delete(if_generation_match=expected_generation, timeout=TIMEOUT_SECONDS, retry=None)
        except exceptions.NotFound:
            return

    call(address, send)


def checksum(data: bytes) -> str:
    """CRC32C of bytes as 8 hexadecimal digits, comparable with `crc32c_of`."""
    return f"{google_crc32c.value(data):08x}"
