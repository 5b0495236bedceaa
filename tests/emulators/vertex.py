"""The part of the Vertex AI Model Registry that promotion uses, over REST, as a process of its own.

Each request is parsed as the service's own message (`aiplatform_v1`), unknown fields included among the errors, and
held to what the service's documentation demands: resource names, required and output-only fields, aliases, labels, a
SavedModel where the model's address says (asked of the storage emulator). `plumbing.py` says how it misbehaves; and

    GET  /_models  {resource: {version: {aliases, artifactUri, labels, description}}}
    POST /_reset   {"storage": "http://..."}    forget everything; SavedModels are looked for in that storage emulator

Run it by `python vertex.py`; it prints its port on the first line.
"""

import json
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from google.cloud import aiplatform_v1
from google.longrunning import operations_pb2
from google.protobuf import json_format
from plumbing import HttpError, Service, demand, serve
from vertex_messages import PARENT, error_body, parsed

MODEL_ID = r"[a-z_][a-z0-9_-]{0,62}"
ALIAS = r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]"
OUTPUT_ONLY = ("name", "version_id", "create_time", "update_time", "version_create_time", "supported_export_formats")
POLLS = 2  # an upload is done when it has been asked for so often


@dataclass
class Registered:
    versions: dict[str, Any] = field(default_factory=dict)  # version -> Model message
    aliases: dict[str, str] = field(default_factory=dict)  # alias -> version


class ModelRegistry(Service):
    """The models and the rules about them; one lock makes every change atomic."""

    def __init__(self, options: dict[str, Any]):
        super().__init__(options)
        self.storage = options.get("storage")
        self.models: dict[str, Registered] = {}
        self.operations: dict[str, tuple[Any, int]] = {}

    def error_body(self, status: int, message: str) -> Any:
        return error_body(status, message)

    def control(self, path: str, body: Any) -> Any:
        return self.described() if path == "/_models" else super().control(path, body)

    def route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        for verb, pattern, work in (
            ("POST", r"/v1/(.+)/models:upload", lambda name: self.upload(name, body)),
            ("POST", r"/v1/(.+/models/[^/]+):mergeVersionAliases", lambda name: self.merge_aliases(name, body)),
            ("GET", r"/(?:v1|ui)/(.+/operations/[^/]+)", self.operation),
            ("GET", r"/v1/(.+/models/[^/:]+)", self.get_model),
        ):
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                return json_format.MessageToDict(work(found[1]))
        raise HttpError(404, f"Not Found: {method} {path}")

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


if __name__ == "__main__":
    serve(ModelRegistry)
