"""What the emulators of pipeline services share: HTTP, identity, faults on request, and the log of requests.

POST /_faults  {"method": "POST", "path": "regex", "kind": "503", "count": 2}   a status, or reset (before the
               work) or lost (after the work: it is done, but the answer never comes)
GET  /_log     requests so far, as [{method, path, status}]
POST /_reset   {"token": "..."}    forget everything; from now on demand this token ("" for none)
POST /_token   {"token": "..."}    demand another token
POST /_script  {"end": "FAILED", "error": "...", "failed": "train"}    how runs that start from now on end
POST /_tick    {}    the moment of every schedule has come; returns the runs that it starts
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
from typing import Any, ClassVar

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

FITS = {
    "STRING": lambda value: isinstance(value, str),
    "NUMBER_INTEGER": lambda value: (
        not isinstance(value, bool) and isinstance(value, int | float) and value == int(value)
    ),
    "NUMBER_DOUBLE": lambda value: not isinstance(value, bool) and isinstance(value, int | float),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "LIST": lambda value: isinstance(value, list),
    "STRUCT": lambda value: isinstance(value, dict),
}
CRON_FIELD = r"(?:\*|\d+(?:-\d+)?)(?:/\d+)?(?:,(?:\*|\d+(?:-\d+)?)(?:/\d+)?)*"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class HttpError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def demand(holds: Any, message: str, status: int = 400) -> None:
    if not holds:
        raise HttpError(status, message)


def check_pipeline(spec: Any, kind: Any = pipeline_spec_pb2.PipelineSpec) -> Any:
    """The specification as its official message; what is not in the message, or is missing, is an error."""
    demand(isinstance(spec, dict) and spec, "the pipeline spec is missing")
    try:
        parsed = json_format.ParseDict(spec, kind())
    except json_format.ParseError as error:
        raise HttpError(400, f"invalid pipeline spec: {error}") from error
    if kind is pipeline_spec_pb2.PipelineSpec:
        demand(parsed.pipeline_info.name, "invalid pipeline spec: pipelineInfo.name is required")
        demand(parsed.root.dag.tasks, "invalid pipeline spec: root.dag is required")
        demand(parsed.schema_version, "invalid pipeline spec: schemaVersion is required")
    return parsed


def check_parameters(values: dict[str, Any], spec: dict[str, Any]) -> None:
    """Whether the values of a run are those that the pipeline takes, each of its type."""
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, value in values.items():
        demand(name in declared, f"parameter {name} is not an input of the pipeline")
        demand(
            FITS[declared[name]["parameterType"]](value), f"parameter {name} is no {declared[name]['parameterType']}"
        )
    for name, entry in declared.items():
        demand(entry.get("isOptional") or name in values, f"parameter {name} is required")


def step_names(spec: dict[str, Any]) -> list[str]:
    """The tasks of a pipeline at any depth, but not those that only hold others."""
    names = []
    for part in (spec["root"], *spec["components"].values()):
        for name, task in part.get("dag", {}).get("tasks", {}).items():
            if "dag" not in spec["components"][task["componentRef"]["name"]]:
                names.append(name)
    return names


class Service:
    """State that every emulator has; subclasses add theirs, and `route`."""

    def __init__(self, token: str = ""):
        self.lock = threading.RLock()
        self.token = token
        self.faults: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.script: dict[str, Any] = {}

    def next_fault(self, method: str, path: str) -> str | None:
        with self.lock:
            for fault in self.faults:
                if fault["count"] > 0 and fault["method"] == method and re.search(fault["path"], path):
                    fault["count"] -= 1
                    return str(fault["kind"])
        return None

    def route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        raise NotImplementedError

    def tick(self) -> Any:
        raise NotImplementedError

    def error_body(self, status: int, message: str) -> Any:
        raise NotImplementedError


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: ClassVar[Service]
    kind: ClassVar[type[Service]]

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def log_message(self, *_: Any) -> None:
        """Say nothing: the log is at /_log."""

    def _handle(self, method: str) -> None:
        url = urllib.parse.urlsplit(self.path)
        path, query = urllib.parse.unquote(url.path), dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith("/_"):
            return self._reply(200, self._control(path, json.loads(body or b"{}")))
        fault = self.service.next_fault(method, path)
        if fault == "reset":
            return self._reset(method, path)
        try:
            if fault and fault.isdecimal():
                raise HttpError(int(fault), "injected")
            given = self.headers.get("Authorization")
            demand(not self.service.token or given == f"Bearer {self.service.token}", f"bad identity {given}", 401)
            status, answer = 200, self.service.route(method, path, query, body)
        except HttpError as error:
            status, answer = error.status, self.service.error_body(error.status, str(error))
        if fault == "lost":
            return self._reset(method, path)
        self._note(method, path, status)
        return self._reply(status, answer)

    def _control(self, path: str, body: Any) -> Any:
        service = self.service
        if path == "/_faults":
            service.faults.append(body)
        elif path == "/_reset":
            Handler.service = self.kind(body.get("token", ""))
        elif path == "/_token":
            service.token = body["token"]
        elif path == "/_script":
            service.script = body
        elif path == "/_tick":
            return service.tick()
        elif path == "/_log":
            return service.log
        return {}

    def _reset(self, method: str, path: str) -> None:
        self._note(method, path, 0)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _reply(self, status: int, answer: Any) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _note(self, method: str, path: str, status: int) -> None:
        self.service.log.append({"method": method, "path": path, "status": status})


def serve(kind: type[Service]) -> None:
    """Print the port on the first line, then serve until ended."""
    Handler.kind, Handler.service = kind, kind()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
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
