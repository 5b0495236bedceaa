"""A mirror that cuts, delays, corrupts and refuses: an HTTP server of files with ranges, for the downloader's tests."""

import hashlib
import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror:
    """Serves `files` at /shards/NAME and their plan at /plan.json.

    `faults` maps a shard's name to a list of what its next GET requests suffer: `cut` (half of the answer, then the
    connection closes), `corrupt` (a byte is changed), `delay`, `no-range` (the range is ignored), or a status.
    """

    def __init__(self, files: dict[str, bytes]):
        self.files = files
        self.faults: dict[str, list[str]] = {}
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.delay_seconds = 0.3
        plan = {"files": {name: hashlib.md5(data).hexdigest() for name, data in files.items()}}
        self.plan = json.dumps(plan).encode()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                mirror.serve(self, with_body=True)

            def do_HEAD(self) -> None:
                mirror.serve(self, with_body=False)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def serve(self, request: BaseHTTPRequestHandler, with_body: bool) -> None:
        name = request.path.rsplit("/", 1)[1]
        data = self.plan if name == "plan.json" else self.files.get(name)
        faults = self.faults.get(name, [])
        fault = faults.pop(0) if faults and with_body else ""
        if with_body:
            self.requests[name] += 1
        status = int(fault) if fault.isdigit() else 200
        if data is None or status >= 400:
            return self._answer(request, status if data is not None else 404, b"", {})
        if fault == "delay":
            time.sleep(self.delay_seconds)
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        start = int(wanted[1]) if wanted and fault != "no-range" else 0
        if start and start >= len(data):
            return self._answer(request, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
        body = bytearray(data[start:])
        if fault == "corrupt":
            body[len(body) // 2] ^= 0x40
        half = len(body) // 2 if fault == "cut" else len(body)
        self.sent[name] += half if with_body else 0
        return self._answer(request, 206 if start else 200, bytes(body), {}, half if with_body else 0)

    @staticmethod
    def _answer(
        request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str], send: int | None = None
    ) -> None:
        request.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(key, value)
        request.end_headers()
        sent = len(body) if send is None else send
        request.wfile.write(body[:sent])
        request.wfile.flush()
        if sent != len(body):
            request.close_connection = True
