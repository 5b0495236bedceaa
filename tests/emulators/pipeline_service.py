"""What the emulators of pipeline services share: they demand its official message of a pipeline, and parameters of its
types; and they do as they are told:

POST /_token   {"token": "..."}    demand another token
POST /_script  {"end": "FAILED", "error": "...", "failed": "train"}    how runs that start from now on end; Kubeflow has
                                                                       {"retried": "train"} and {"packed": true}, too
POST /_tick    {}    the moment of every schedule has come; returns the runs that it starts
"""

from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from plumbing import HttpError, Service, demand

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
ROUNDS = 2  # of a loop, as for two candidates
CRON_FIELD = r"(?:\*|\d+(?:-\d+)?)(?:/\d+)?(?:,(?:\*|\d+(?:-\d+)?)(?:/\d+)?)*"


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
    """The tasks of a pipeline at any depth, but not those that only hold others; those of a loop once a round."""
    return _names_below(spec["root"]["dag"], spec["components"])


def _names_below(dag: dict[str, Any], components: dict[str, Any]) -> list[str]:
    names = []
    for name, task in dag["tasks"].items():
        part = components[task["componentRef"]["name"]]
        inner = _names_below(part["dag"], components) if "dag" in part else [name]
        names += inner * (ROUNDS if "parameterIterator" in task else 1)
    return names


def step_states(names: list[str], end: dict[str, Any], failed: bool, states: tuple[Any, Any]) -> list[Any]:
    """The states of tasks: of the first one by the name that is to fail in a run that failed, and of all others."""
    bad = names.index(end["failed"]) if failed and end.get("failed") in names else None
    return [states[number != bad] for number in range(len(names))]


class PipelineService(Service):
    """State that every emulator of pipelines has.

    Attributes:
        script: how runs that start from now on end.
        looks: how often a run was looked at.
        ends: how a run ends.
    """

    def __init__(self, options: dict[str, Any]):
        super().__init__(options)
        self.script: dict[str, Any] = {}
        self.looks: dict[str, int] = {}
        self.ends: dict[str, dict[str, Any]] = {}

    def control(self, path: str, body: Any) -> Any:
        if path == "/_token":
            self.token = body["token"]
        elif path == "/_script":
            self.script = body
        elif path == "/_tick":
            return self.tick()
        else:
            return super().control(path, body)
        return {}

    def tick(self) -> Any:
        raise NotImplementedError
