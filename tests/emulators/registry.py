"""A registry of images: the part of the OCI distribution protocol that `docker push` and `docker pull` use."""

import hashlib
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Stored(NamedTuple):
    kind: str
    data: bytes


class Registry:
    """Keeps what is pushed to `address`/ANY/NAME.

    Attributes:
        address: host and port, as images name it.
        blobs: digest -> content.
        manifests: (repository, tag or digest) -> manifest.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], Stored] = {}
        self.uploads: dict[str, bytearray] = {}
        registry = self

        class Bound(Handler):
            kept = registry

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept: Registry

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        options = dict(urllib.parse.parse_qsl(query))
        body = self._body()
        if path == "/v2/":
            return self._reply(200, b"{}")
        if found := re.fullmatch(r"(/v2/.+/blobs/uploads/)(\w*)", path):
            return self._upload(found[1], found[2], options.get("digest"), body)
        if found := re.fullmatch(r"/v2/.+/blobs/(\S+)", path):
            data = self.kept.blobs.get(found[1])
            return self._reply(404 if data is None else 200, data or b"", {"Docker-Content-Digest": found[1]})
        found = re.fullmatch(r"/v2/(.+)/manifests/(\S+)", path)
        return self._manifest(found[1], found[2], body) if found else self._reply(404, b"")

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _answer

    def _upload(self, folder: str, key: str, digest: str | None, body: bytes) -> None:
        key = key or f"u{len(self.kept.uploads)}"
        data = self.kept.uploads.setdefault(key, bytearray())
        data += body
        if self.command != "PUT":
            headers = {"Location": folder + key, "Docker-Upload-UUID": key, "Range": f"0-{max(len(data) - 1, 0)}"}
            return self._reply(202, b"", headers)
        if digest != digest_of(data):
            return self._reply(400, b"")
        self.kept.blobs[digest] = bytes(data)
        return self._reply(201, b"", {"Docker-Content-Digest": digest})

    def _manifest(self, repository: str, reference: str, body: bytes) -> None:
        if self.command == "PUT":
            stored = Stored(self.headers["Content-Type"], body)
            for name in (reference, digest_of(body)):
                self.kept.manifests[repository, name] = stored
            return self._reply(201, b"", {"Docker-Content-Digest": digest_of(body)})
        found = self.kept.manifests.get((repository, reference))
        if found is None:
            return self._reply(404, b"")
        headers = {"Content-Type": found.kind, "Docker-Content-Digest": digest_of(found.data)}
        return self._reply(200, found.data, headers)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _reply(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        sent = {"Docker-Distribution-Api-Version": "registry/2.0", "Content-Length": str(len(data)), **(headers or {})}
        for key, value in sent.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def digest_of(data: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
