"""The part of the Vertex AI Model Registry that promotion uses, over REST, as a process of its own.

Each request is parsed as the service's own message (`aiplatform_v1`), unknown fields included among the errors, and
held to what the service's documentation demands: resource names, required and output-only fields, aliases, labels, a
SavedModel where the model's address says (asked of the storage emulator). It also misbehaves on request:

    POST /_faults  {"method": "POST", "path": "regex", "kind": "503", "count": 2}    kinds: see FAULTS
    GET  /_log     requests so far, as [{method, path, status}]
    GET  /_models  {resource: {version: {aliases, artifactUri, labels, description}}}
    POST /_reset   {"storage": "http://..."}    forget everything; SavedModels are looked for in that storage emulator

Run it by `python vertex.py`; it prints its port on the first line, then serves until it is ended.
"""

import json
import re
import socket
import struct
import sys
import threading
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.cloud import aiplatform_v1
from google.longrunning import operations_pb2
from google.protobuf import json_format

# answer with the status instead of working; reset before the work; reset after the work
FAULTS = ("403", "429", "500", "503", "reset", "lost")
PARENT = r"projects/[a-z][a-z0-9-]*/locations/[a-z]+-[a-z]+[0-9]"
MODEL_ID = r"[a-z_][a-z0-9_-]{0,62}"
ALIAS = r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]"
OUTPUT_ONLY = ("name", "version_id", "create_time", "update_time", "version_create_time", "supported_export_formats")
STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS",
          429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}  # fmt: skip
POLLS = 2  # an upload is done when it has been asked for so often


class HttpError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def demand(holds: Any, message: str, status: int = 400) -> None:
    if not holds:
        raise HttpError(status, message)


@dataclass
class Registered:
    versions: dict[str, Any] = field(default_factory=dict)  # version -> Model message
    aliases: dict[str, str] = field(default_factory=dict)  # alias -> version


class Service:
    """The models and the rules about them; one lock makes every change atomic."""

    def __init__(self, storage: str | None = None) -> None:
        self.lock = threading.Lock()
        self.storage = storage
        self.models: dict[str, Registered] = {}
        self.operations: dict[str, tuple[Any, int]] = {}
        self.faults: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []

    def next_fault(self, method: str, path: str) -> str | None:
        with self.lock:
            for fault in self.faults:
                if fault["count"] > 0 and fault["method"] == method and re.search(fault["path"], path):
                    fault["count"] -= 1
                    return str(fault["kind"])
        return None

    def get_model(self, name: str) -> Any:
        resource, _, which = name.partition("@")
        found = self.models.get(resource)
        demand(found, f"The model does not exist: {resource}", 404)
        version = found.aliases.get(which or "default", which)
        demand(version in found.versions, f"The model version does not exist: {name}", 404)
        return self._described(resource, version)

    def upload(self, parent: str, body: bytes) -> Any:
        request = parsed(body, aiplatform_v1.UploadModelRequest)
        model = request.model
        demand(re.fullmatch(PARENT, parent), f"bad parent: {parent}")
        demand(0 < len(model.display_name) <= 128, "model.display_name is required, up to 128 characters")
        demand(model.container_spec.image_uri, "model.container_spec.image_uri is required")
        for name in OUTPUT_ONLY:
            demand(not getattr(model, name), f"model.{name} is output only")
        for key, value in model.labels.items():
            demand(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) and re.fullmatch(r"[a-z0-9_-]{0,63}", value),
                   f"bad label {key}: {value}")  # fmt: skip
        for alias in model.version_aliases:
            demand(re.fullmatch(ALIAS, alias), f"bad version alias: {alias}")
        self._check_artifacts(model.artifact_uri)
        with self.lock:
            return self._register(parent, request)

    def merge_aliases(self, name: str, body: bytes) -> Any:
        request = parsed(body, aiplatform_v1.MergeVersionAliasesRequest)
        resource, _, version = name.partition("@")
        demand(version.isdecimal(), f"a version ID must be explicitly included: {name}")
        demand(request.version_aliases, "version_aliases is required")
        with self.lock:
            self.get_model(name)
            aliases = self.models[resource].aliases
            for alias in request.version_aliases:
                demand(re.fullmatch(f"-?{ALIAS}", alias), f"bad version alias: {alias}")
                demand(alias != "-default", "there must be exactly one default version")
                if alias.startswith("-"):
                    aliases.pop(alias[1:], None)
                else:
                    aliases[alias] = version
            return self._described(resource, version)

    def operation(self, name: str) -> Any:
        with self.lock:
            demand(name in self.operations, f"no such operation: {name}", 404)
            response, left = self.operations[name]
            self.operations[name] = (response, left - 1)
        operation = operations_pb2.Operation(name=name, done=left <= 0)
        if operation.done:
            operation.response.Pack(aiplatform_v1.UploadModelResponse.pb(response))
        return operation

    def described(self) -> Any:
        return {
            resource: {
                version: {
                    "aliases": sorted(alias for alias, of in found.aliases.items() if of == version),
                    "artifactUri": model.artifact_uri, "labels": dict(model.labels),
                    "description": model.version_description,
                }
                for version, model in found.versions.items()
            }
            for resource, found in self.models.items()
        }  # fmt: skip

    def _register(self, parent: str, request: Any) -> Any:
        if request.parent_model:
            resource = request.parent_model.partition("@")[0]
            demand(not request.model_id, "model_id and parent_model exclude each other")
            demand(resource in self.models, f"The model does not exist: {resource}", 404)
        else:
            demand(re.fullmatch(MODEL_ID, request.model_id), f"bad model_id: {request.model_id}")
            resource = f"{parent}/models/{request.model_id}"
            demand(resource not in self.models, f"Model {resource} already exists.", 409)
        found = self.models.setdefault(resource, Registered())
        version = str(len(found.versions) + 1)
        found.versions[version] = request.model
        found.aliases.setdefault("default", version)
        found.aliases.update(dict.fromkeys(request.model.version_aliases, version))
        name = f"{resource}/operations/{len(self.operations) + 1}"
        self.operations[name] = (aiplatform_v1.UploadModelResponse(model=resource, model_version_id=version), POLLS)
        return operations_pb2.Operation(name=name)

    def _described(self, resource: str, version: str) -> Any:
        found = self.models[resource]
        model = aiplatform_v1.Model(found.versions[version])
        model.name, model.version_id = resource, version
        model.version_aliases = [alias for alias, of in found.aliases.items() if of == version]
        return aiplatform_v1.Model.pb(model)

    def _check_artifacts(self, address: str) -> None:
        found = re.fullmatch(r"gs://([^/]+)/(.+[^/])/?", address)
        demand(found, f"model.artifact_uri must be a Cloud Storage directory: {address!r}")
        if self.storage:
            prefix = urllib.parse.quote(f"{found[2]}/saved_model.pb", safe="")
            with urllib.request.urlopen(f"{self.storage}/storage/v1/b/{found[1]}/o?prefix={prefix}") as answer:
                demand(json.load(answer)["items"], f"{address} does not contain saved_model.pb")


def parsed(body: bytes, kind: Any) -> Any:
    """The request as its message; what is not in the message is an error."""
    try:
        return kind(json_format.Parse(body, kind.pb(kind())))
    except json_format.ParseError as error:
        raise HttpError(400, f"Invalid JSON payload received. {error}") from error


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def log_message(self, *_: Any) -> None:
        """Say nothing: the log is at /_log."""

    def _handle(self, method: str) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.service.next_fault(method, path)
        if fault == "reset":
            return self._reset(method, path)
        try:
            if fault and fault.isdecimal():
                raise HttpError(int(fault), "injected")
            status, answer = 200, self._route(method, path, body)
        except HttpError as error:
            status = error.status
            answer = {"error": {"code": status, "message": str(error), "status": STATUS[status]}}
        if fault == "lost":
            return self._reset(method, path)
        return self._reply(method, path, status, json.dumps(answer).encode())

    def _route(self, method: str, path: str, body: bytes) -> Any:
        if path == "/_faults":
            fault = json.loads(body)
            assert fault["kind"] in FAULTS
            return self.service.faults.append(fault)
        if path == "/_reset":
            Handler.service = Service(json.loads(body)["storage"])
            return {}
        if path in {"/_log", "/_models"}:
            return self.service.log if path == "/_log" else self.service.described()
        for verb, pattern, work in (
            ("POST", r"/v1/(.+)/models:upload", lambda name: self.service.upload(name, body)),
            ("POST", r"/v1/(.+/models/[^/]+):mergeVersionAliases", lambda name: self.service.merge_aliases(name, body)),
            ("GET", r"/(?:v1|ui)/(.+/operations/[^/]+)", self.service.operation),
            ("GET", r"/v1/(.+/models/[^/:]+)", self.service.get_model),
        ):
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                return json_format.MessageToDict(work(found[1]))
        raise HttpError(404, f"Not Found: {method} {path}")

    def _reset(self, method: str, path: str) -> None:
        self._note(method, path, 0)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _reply(self, method: str, path: str, status: int, answer: bytes) -> None:
        self._note(method, path, status)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _note(self, method: str, path: str, status: int) -> None:
        if not path.startswith("/_"):
            self.service.log.append({"method": method, "path": path, "status": status})


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
