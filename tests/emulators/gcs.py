"""A storage emulator: the part of the Cloud Storage JSON API that google-cloud-storage uses, as a process of its own.

It enforces what the real service enforces and what other emulators leave out: `ifGenerationMatch` (412), ranges (206,
416), paged listings, resumable uploads, and CRC32C given by the client. It also misbehaves on request:

    POST /_faults  {"method": "GET", "path": "regex", "kind": "503", "count": 2}    kinds: see FAULTS
    GET  /_log     requests so far, as [{method, path, status, bytes}]

Run it by `python gcs.py`; it prints its port on the first line, then serves until it is ended.
"""

import base64
import json
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import google_crc32c

# answer with the status instead of working; send half of the body; reset before the work; reset after the work
FAULTS = ("429", "503", "short", "reset", "lost")


@dataclass
class Item:
    data: bytes
    generation: int
    resource: dict[str, Any]


@dataclass
class Upload:
    bucket: str
    name: str
    resource: dict[str, Any]
    match: str | None
    data: bytearray = field(default_factory=bytearray)


class HttpError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Service:
    """The objects, and the rules about them; one lock makes every change atomic."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.buckets: dict[str, dict[str, Item]] = {}
        self.uploads: dict[str, Upload] = {}
        self.faults: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self._generation = int(time.time() * 1e6)

    def bucket(self, name: str) -> dict[str, Item]:
        if name not in self.buckets:
            raise HttpError(404, f"The specified bucket does not exist: {name}")
        return self.buckets[name]

    def item(self, bucket: str, name: str, generation: str | None = None) -> Item:
        item = self.bucket(bucket).get(name)
        if item is None or (generation and int(generation) != item.generation):
            raise HttpError(404, f"No such object: {bucket}/{name}")
        return item

    def check_match(self, bucket: str, name: str, match: str | None) -> None:
        if match is None:
            return
        item = self.bucket(bucket).get(name)
        if int(match) != (item.generation if item else 0):
            raise HttpError(412, "At least one of the pre-conditions you specified did not hold.")

    def put(self, bucket: str, name: str, data: bytes, resource: dict[str, Any], match: str | None) -> Item:
        crc = base64.b64encode(struct.pack(">I", google_crc32c.value(data))).decode()
        if resource.get("crc32c", crc) != crc:
            raise HttpError(400, f'Provided CRC32C "{resource["crc32c"]}" doesn\'t match calculated "{crc}".')
        with self.lock:
            self.check_match(bucket, name, match)
            self._generation += 1
            kept = {key: resource[key] for key in ("contentType", "metadata") if key in resource}
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            described = {
                "kind": "storage#object", "name": name, "bucket": bucket, "generation": str(self._generation),
                "metageneration": "1", "size": str(len(data)), "crc32c": crc, "timeCreated": now, "updated": now,
                **kept,
            }  # fmt: skip
            self.bucket(bucket)[name] = item = Item(data, self._generation, described)
        return item

    def delete(self, bucket: str, name: str, match: str | None) -> None:
        with self.lock:
            self.item(bucket, name)
            self.check_match(bucket, name, match)
            del self.buckets[bucket][name]

    def listing(self, bucket: str, query: dict[str, str]) -> dict[str, Any]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        entries: dict[str, dict[str, Any] | None] = {}
        with self.lock:
            for name, item in sorted(self.bucket(bucket).items()):
                if not name.startswith(prefix):
                    continue
                cut = name.find(delimiter, len(prefix)) if delimiter else -1
                if cut < 0:
                    entries[name] = item.resource
                else:
                    entries[name[: cut + 1]] = None
        names = [name for name in entries if name > query.get("pageToken", "")]
        page = names[: min(int(query.get("maxResults", 1000)), 1000)]
        answer: dict[str, Any] = {
            "kind": "storage#objects",
            "items": [entries[name] for name in page if entries[name]],
            "prefixes": [name for name in page if not entries[name]],
        }
        if len(page) < len(names):
            answer["nextPageToken"] = page[-1]
        return answer

    def next_fault(self, method: str, path: str) -> str | None:
        with self.lock:
            for fault in self.faults:
                if fault["count"] > 0 and fault["method"] == method and re.search(fault["path"], path):
                    fault["count"] -= 1
                    return str(fault["kind"])
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Service

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def log_message(self, *_: Any) -> None:
        """Say nothing: the log is at /_log."""

    def _handle(self, method: str) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.service.next_fault(method, self.path)
        if fault == "reset":
            return self._reset(method)
        try:
            if fault in {"429", "503"}:
                raise HttpError(int(fault), "injected")
            status, answer, headers = self._route(method, url.path, query, body)
        except HttpError as error:
            status, headers = error.status, {}
            answer = json.dumps({"error": {"code": error.status, "message": str(error)}}).encode()
        if fault == "lost":
            return self._reset(method)
        return self._reply(method, status, answer, headers, half=fault == "short")

    def _reset(self, method: str) -> None:
        self._note(method, 0, 0)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _reply(self, method: str, status: int, answer: bytes, headers: dict[str, str], half: bool) -> None:
        self._note(method, status, len(answer))
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2] if half else answer)
        self.wfile.flush()
        if half:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _note(self, method: str, status: int, size: int) -> None:
        if not self.path.startswith("/_"):
            entry = {"method": method, "path": self.path, "status": status, "bytes": size}
            self.service.log.append({**entry, "range": self.headers.get("Range")})

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if path == "/_log":
            return 200, json.dumps(self.service.log).encode(), {}
        if path == "/_faults":
            fault = json.loads(body)
            assert fault["kind"] in FAULTS
            self.service.faults.append(fault)
            return 200, b"{}", {}
        match = re.fullmatch(r"(/upload|/download)?/storage/v1/b(?:/([^/]+)(?:/o(?:/([^/]+))?)?)?", path)
        if not match:
            raise HttpError(404, f"Not Found: {path}")
        area, bucket, name = match[1], match[2], urllib.parse.unquote(match[3] or "")
        if area == "/upload":
            return self._upload(method, bucket, query, body)
        if method == "POST" and not bucket:
            created = json.loads(body)
            self.service.buckets.setdefault(created["name"], {})
            return _json(created)
        if method == "DELETE":
            self.service.delete(bucket, name, query.get("ifGenerationMatch"))
            return 204, b"", {}
        if not name:
            is_listing = path.endswith("/o")
            self.service.bucket(bucket)
            return _json(self.service.listing(bucket, query) if is_listing else {"name": bucket})
        item = self.service.item(bucket, name, query.get("generation"))
        self.service.check_match(bucket, name, query.get("ifGenerationMatch"))
        return self._media(item) if query.get("alt") == "media" else _json(item.resource)

    def _media(self, item: Item) -> tuple[int, bytes, dict[str, str]]:
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Goog-Generation": str(item.generation),
            "X-Goog-Hash": f"crc32c={item.resource['crc32c']}",
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return 200, item.data, headers
        start, end = int(wanted[1]), min(int(wanted[2] or 1 << 62), len(item.data) - 1)
        if start >= len(item.data):
            raise HttpError(416, "Requested range not satisfiable")
        headers["Content-Range"] = f"bytes {start}-{end}/{len(item.data)}"
        return 206, item.data[start : end + 1], headers

    def _upload(self, method: str, bucket: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict]:
        if method == "PUT":
            return self._resume(query["upload_id"], body)
        match = query.get("ifGenerationMatch")
        if query.get("uploadType") == "multipart":
            resource, data = _multipart(self.headers["Content-Type"], body)
            return _json(self.service.put(bucket, resource["name"], data, resource, match).resource)
        self.service.bucket(bucket)
        resource = json.loads(body or b"{}")
        name = resource.get("name") or query["name"]
        key = f"upload-{len(self.service.uploads)}"
        self.service.uploads[key] = Upload(bucket, name, resource, match)
        host = self.headers["Host"]
        location = f"http://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={key}"
        return 200, b"{}", {"Location": location}

    def _resume(self, key: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        upload = self.service.uploads[key]
        wanted = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers["Content-Range"])
        if not wanted:
            raise HttpError(400, "bad Content-Range")
        if wanted[1] is not None:
            start = int(wanted[1])
            if start > len(upload.data):
                raise HttpError(400, "a gap in the upload")
            upload.data[start:] = body
        if wanted[3] == str(len(upload.data)):
            item = self.service.put(upload.bucket, upload.name, bytes(upload.data), upload.resource, upload.match)
            return _json(item.resource)
        headers = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        return 308, b"", headers


def _json(value: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(value).encode(), {}


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    assert boundary
    _, first, second, _ = body.split(b"--" + boundary[1].encode())
    head, data = second[2:].split(b"\r\n\r\n", 1)
    BytesParser().parsebytes(head)
    return json.loads(first.split(b"\r\n\r\n", 1)[1]), data.removesuffix(b"\r\n")


def main() -> None:
    Handler.service = Service()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
