"""What the emulators of services share: HTTP, identity, faults on request, and the log of requests.

POST /_faults  {"method": "POST", "path": "regex", "kind": "503", "count": 2}   the next requests go wrong: see FAULTS
GET  /_log     requests so far, as [{method, path, status, bytes, range}]
POST /_reset   {"token": "..."}    forget everything; from now on demand this token ("" for none)

Each emulator is a script that prints its port on the first line, then serves until it, or who started it, is ended.
"""

import json
import os
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple

FAULTS = r"[45]\d\d|short|reset|lost|slow"
"""How a request goes wrong, each as the services or the network between do it:

    408, 429, 5xx  the status instead of the work; "retry using truncated exponential backoff"
                   (cloud.google.com/storage/docs/retry-strategy, .../json_api/v1/status-codes)
    401            "Invalid Credentials": the access token is expired or invalid (.../json_api/v1/status-codes)
    short          half of the body, then the connection is closed (RFC 9112, section 8: an incomplete message)
    reset          the connection is reset before the work (RFC 9293, section 3.5.2)
    lost           the work is done and the connection reset before the answer: whether it was is not to be known
    slow           the work is done, and the answer comes after `seconds` (2 unless told)
"""


class HttpError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def demand(holds: Any, message: str, status: int = 400) -> None:
    if not holds:
        raise HttpError(status, message)


class Answer(NamedTuple):
    status: int
    data: bytes
    headers: dict[str, str] = {}  # noqa: RUF012  (never changed)


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


class Service:
    """State that every emulator has; subclasses add theirs, and `route`."""

    def __init__(self, options: dict[str, Any]):
        self.lock = threading.RLock()
        self.token = options.get("token", "")
        self.faults: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []

    def next_fault(self, method: str, path: str) -> tuple[str | None, float]:
        """The kind of fault that a request meets, and how late its answer is."""
        with self.lock:
            for fault in self.faults:
                if fault["count"] > 0 and fault["method"] == method and re.search(fault["path"], path):
                    fault["count"] -= 1
                    kind = str(fault["kind"])
                    return kind, float(fault.get("seconds", 2)) if kind == "slow" else 0.0
        return None, 0.0

    def route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        """The answer to a request, as what JSON can hold."""
        raise NotImplementedError

    def error_body(self, status: int, message: str) -> Any:
        return {"error": {"code": status, "message": message}}

    def control(self, path: str, body: Any) -> Any:
        """What tests ask for and tell."""
        if path == "/_log":
            return self.log
        demand(path == "/_faults" and re.fullmatch(FAULTS, body["kind"]), f"{path}: no such control, or fault")
        self.faults.append(body)
        return {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: ClassVar[Service]
    kind: ClassVar[type[Service]]

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

    def shown(self) -> str:
        """The address as faults match it and the log has it: without its query."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)

    def work(self, method: str, query: dict[str, str], body: bytes) -> Answer:
        given = self.headers.get("Authorization")
        demand(not self.service.token or given == f"Bearer {self.service.token}", f"bad identity {given}", 401)
        return as_json(self.service.route(method, self.shown(), query, body))

    def _handle(self, method: str) -> None:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/_"):
            return self._reply(as_json(self._control(json.loads(body or b"{}"))))
        fault, seconds = self.service.next_fault(method, self.shown())
        if fault == "reset":
            return self._reset(method)
        try:
            if fault and fault.isdecimal():
                raise HttpError(int(fault), "Invalid Credentials (injected)" if fault == "401" else "injected")
            answer = self.work(method, query, body)
        except HttpError as error:
            answer = as_json(self.service.error_body(error.status, str(error)), error.status)
        if fault == "lost":
            return self._reset(method)
        self._note(method, answer.status, len(answer.data))
        time.sleep(seconds)
        return self._reply(answer, half=fault == "short")

    def _control(self, body: Any) -> Any:
        if self.path == "/_reset":
            Handler.service = self.kind(body)
            return {}
        return self.service.control(self.path, body)

    def _reset(self, method: str) -> None:
        self._note(method, 0, 0)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _reply(self, answer: Answer, half: bool = False) -> None:
        self.send_response(answer.status)
        for key, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data[: len(answer.data) // 2] if half else answer.data)
        self.wfile.flush()
        if half:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _note(self, method: str, status: int, size: int) -> None:
        entry = {"method": method, "path": self.shown(), "status": status, "bytes": size}
        self.service.log.append({**entry, "range": self.headers.get("Range")})


def serve(kind: type[Service], handler: type[Handler] = Handler) -> None:
    """Print the port on the first line, then serve until ended."""
    Handler.kind, Handler.service = kind, kind({})
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


def _end_with(parent: int) -> None:
    """End when whoever started this has ended, even killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
