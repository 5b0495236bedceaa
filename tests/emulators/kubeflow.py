"""The part of the Kubeflow Pipelines API (v2beta1) that submitting and scheduling use, as a process of its own.

Each request is held to the API's own model classes (`kfp_server_api`): a key that they lack or a value of another type
is refused, and so are a missing or wrong pipeline specification and parameters that it does not declare. Where the
OpenAPI description says string for a 64-bit number, the service takes both, and so does this.

What a run looks like is that of kubeflow/pipelines 2.17.0 (all below backend/src): its tasks are the nodes of Argo's
workflow (common/util/workflow.go, NodeStatuses), so beside the steps there are the root, groups, drivers, loops and
attempts (v2/compiler/argocompiler/dag.go, lines 155 to 450; container.go line 427), an attempt that failed stays so
after a good one, and no reason of a failure is there: `error` is of conversions (apiserver/server/api_converter.go).
The names are those in the workflow that the compiler of 2.17.0 makes of tests/golden/pipeline/kfp-prod.yaml.
The older API shows the workflow (v1beta1, `pipeline_runtime.workflow_manifest`) with Argo's word on each node. Once a
workflow is larger than a megabyte its nodes are packed and the tasks stand still (argo-workflows 4.0.5,
workflow/packer/packer.go line 17): {"packed": true} has a run so from its second look on.
The health says the version (apiserver/main.go line 556), which a script may set: {"version": "2.5.0"}.

Run it by `python kubeflow.py [PORT]`; it prints its port on the first line. `plumbing.py` says how it misbehaves,
`pipeline_service.py` what it can be told.
"""

import base64
import gzip
import json
import re
import uuid
from typing import Any

import kfp_server_api
from kfp.pipeline_spec import pipeline_spec_pb2
from pipeline_service import CRON_FIELD, PipelineService, check_parameters, check_pipeline, step_names, step_states
from plumbing import HttpError, demand, serve

NUMBERS = {("V2beta1RecurringRun", "max_concurrency")}  # int64 on the wire
OUTPUT_ONLY = ("run_id", "recurring_run_id", "created_at", "finished_at", "state", "status", "run_details", "error")
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 429: 8, 503: 14}
MOST_PARALLEL = 10


def check_model(value: Any, name: str, place: str) -> None:
    """Whether a JSON value is an instance of a model class (or of another type of the description)."""
    if found := re.fullmatch(r"list\[(.+)\]", name):
        demand(isinstance(value, list), f"{place} must be a list")
        for item in value:
            check_model(item, found[1], place)
    elif found := re.fullmatch(r"dict\(str, (.+)\)", name):
        demand(isinstance(value, dict), f"{place} must be a mapping")
        for key, item in value.items():
            check_model(item, found[1], f"{place}.{key}")
    elif name in {"str", "datetime"}:
        demand(isinstance(value, str), f"{place} must be a string")
    elif name == "bool":
        demand(isinstance(value, bool), f"{place} must be a boolean")
    elif name != "object":
        _check_class(value, getattr(kfp_server_api, name), place)


def _check_class(value: Any, kind: Any, place: str) -> None:
    if hasattr(kind, "allowable_values"):
        demand(value in kind.allowable_values, f"{place} must be one of {kind.allowable_values}")
        return
    demand(isinstance(value, dict), f"{place} must be a {kind.__name__}")
    attributes = {key: attribute for attribute, key in kind.attribute_map.items()}
    for key, item in value.items():
        demand(key in attributes, f'unknown field "{key}" in {place}')
        if (kind.__name__, key) in NUMBERS:
            demand(isinstance(item, int | str) and str(item).isdecimal(), f"{place}.{key} must be a number")
        else:
            check_model(item, kind.openapi_types[attributes[key]], f"{place}.{key}")


class Kubeflow(PipelineService):
    def __init__(self, options: dict[str, Any]):
        super().__init__(options)
        self.experiments: dict[str, Any] = {}
        self.runs: dict[str, Any] = {}
        self.recurring: dict[str, Any] = {}
        self.workflows: dict[str, Any] = {}

    def error_body(self, status: int, message: str) -> Any:
        return {"error": message, "code": CODES.get(status, 13), "message": message, "details": []}

    def route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        for verb, pattern, work in (
            ("GET", "healthz", self._health),
            ("GET", "experiments", lambda: self._listed("experiments", self.experiments, query)),
            ("POST", "experiments", lambda: self._create_experiment(_json(body, "V2beta1Experiment"))),
            ("GET", "runs", lambda: self._listed("runs", self.runs, query)),
            ("POST", "runs", lambda: self._create_run(_json(body, "V2beta1Run"))),
            ("GET", "runs/([^/:]+)", self._look),
            ("GET", "v1beta1/runs/([^/:]+)", self._workflow),
            ("GET", "recurringruns", lambda: self._listed("recurringRuns", self.recurring, query)),
            ("POST", "recurringruns", lambda: self._create_recurring(_json(body, "V2beta1RecurringRun"))),
            ("POST", "recurringruns/([^/:]+):(enable|disable)", self._set_mode),
            ("DELETE", "recurringruns/([^/:]+)", self._delete_recurring),
        ):
            found = re.fullmatch(f"/apis/{'' if pattern.startswith('v1') else 'v2beta1/'}{pattern}", path)
            if found and verb == method:
                with self.lock:
                    return work(*found.groups())
        raise HttpError(404, f"Not Found: {method} {path}")

    def tick(self) -> Any:
        """Every enabled recurring run is due once; one whose limit of parallel runs is reached starts none."""
        with self.lock:
            started = []
            for entry in self.recurring.values():
                active = [run for run in self.runs.values() if run.get("recurring_run_id") == entry["recurring_run_id"]
                          and run["state"] in {"PENDING", "RUNNING"}]  # fmt: skip
                if entry["mode"] == "ENABLE" and len(active) < int(entry["max_concurrency"]):
                    kept = ("experiment_id", "display_name", "pipeline_spec", "runtime_config", "service_account")
                    run = self._create_run({key: entry[key] for key in kept if key in entry})
                    run["recurring_run_id"] = entry["recurring_run_id"]
                    started.append(run)
            return started

    def _create_experiment(self, entry: Any) -> Any:
        demand(entry.get("display_name"), "display_name is required")
        names = [found["display_name"] for found in self.experiments.values()]
        demand(entry["display_name"] not in names, f"experiment {entry['display_name']} already exists", 409)
        return self._keep(self.experiments, "experiment_id", entry)

    def _create_run(self, entry: Any) -> Any:
        self._check_job(entry)
        run = self._keep(self.runs, "run_id", {**entry, "state": "PENDING"})
        self.looks[run["run_id"]], self.ends[run["run_id"]] = 0, dict(self.script)
        return run

    def _create_recurring(self, entry: Any) -> Any:
        self._check_job(entry)
        cron = entry.get("trigger", {}).get("cron_schedule", {}).get("cron", "")
        fields = cron.split()
        demand(len(fields) == 6 and all(re.fullmatch(CRON_FIELD, field) for field in fields), f"bad cron: {cron!r}")
        demand(1 <= int(entry.get("max_concurrency", 0)) <= MOST_PARALLEL, "max_concurrency must be 1 to 10")
        demand(entry.get("mode") in {"ENABLE", "DISABLE"}, "mode is required")
        status = "ENABLED" if entry["mode"] == "ENABLE" else "DISABLED"
        return self._keep(self.recurring, "recurring_run_id", {**entry, "status": status})

    def _check_job(self, entry: Any) -> None:
        for key in OUTPUT_ONLY:
            demand(key not in entry, f"{key} is output only")
        demand(entry.get("display_name"), "display_name is required")
        demand(entry.get("experiment_id") in self.experiments, "experiment not found", 404)
        documents = entry.get("pipeline_spec")
        demand(isinstance(documents, dict) and documents, "a pipeline spec or a pipeline version is required")
        spec = documents.get("pipeline_spec", documents)
        check_pipeline(spec)
        check_pipeline(documents.get("platform_spec") or {"platforms": {}}, pipeline_spec_pb2.PlatformSpec)
        check_parameters(entry.get("runtime_config", {}).get("parameters", {}), spec)

    def _look(self, key: str) -> Any:
        """The run, which is a step further at each look: pending, running, ended."""
        run = self.runs.get(key)
        demand(run, f"run {key} not found", 404)
        if run.get("recurring_run_id", "") not in {"", *self.recurring}:
            return run  # its workflow went with the schedule (apiserver/resource/resource_manager.go line 705)
        looks, end = self.looks[key], self.ends[key]
        self.looks[key] = looks + 1
        run["state"] = ("PENDING", "RUNNING", end.get("end", "SUCCEEDED"))[min(looks, 2)]
        names = step_names(run["pipeline_spec"].get("pipeline_spec", run["pipeline_spec"]))
        if run["state"] == "CANCELED":  # what comes of a run that was terminated, seen on 2.17.0
            run["state"], run["state_history"] = "FAILED", [{"state": s} for s in ("RUNNING", "CANCELING", "FAILED")]
        failed = run["state"] == "FAILED"
        states = step_states(names, end, failed, ("FAILED", "SUCCEEDED" if failed else run["state"]))
        nodes = [node for step in zip(names, states, strict=True) for node in _nodes_of_step(*step, end)]
        nodes += [(group, run["state"]) for group in _groups(run["pipeline_spec"])]
        packed = bool(end.get("packed")) and looks > 0
        self.workflows[key] = {"status": _status(nodes, end, packed=packed)}
        if not packed:
            run["run_details"] = {"task_details": [
                {"run_id": key, "task_id": str(number), "display_name": name, "state": state}
                for number, (name, state) in enumerate(nodes)
            ]}  # fmt: skip
        return run

    def _workflow(self, key: str) -> Any:
        demand(key in self.runs, f"run {key} not found", 404)
        return {"run": {"id": key}, "pipeline_runtime": {"workflow_manifest": json.dumps(self.workflows.get(key, {}))}}

    def _health(self) -> Any:
        return {"commit_sha": "unknown", "tag_name": self.script.get("version", "2.17.0"), "multi_user": False}

    def _set_mode(self, key: str, verb: str) -> Any:
        demand(key in self.recurring, f"recurring run {key} not found", 404)
        self.recurring[key].update(mode=verb.upper(), status=f"{verb.upper()}D")
        return {}

    def _delete_recurring(self, key: str) -> Any:
        demand(self.recurring.pop(key, None), f"recurring run {key} not found", 404)
        return {}

    @staticmethod
    def _keep(table: dict[str, Any], key: str, entry: Any) -> Any:
        entry = {**entry, key: str(uuid.uuid4()), "created_at": "2026-01-01T00:00:00Z"}
        table[entry[key]] = entry
        return entry

    @staticmethod
    def _listed(name: str, table: dict[str, Any], query: dict[str, str]) -> Any:
        entries = list(table.values())
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            demand(predicate.keys() == {"operation", "key", "stringValue"}, f"bad filter: {predicate}")
            demand(predicate["operation"] in {"EQUALS", 1}, f"bad filter: {predicate}")
            entries = [entry for entry in entries if entry.get(predicate["key"]) == predicate["stringValue"]]
        if "experiment_id" in query:
            entries = [entry for entry in entries if entry["experiment_id"] == query["experiment_id"]]
        if order := query.get("sort_by"):
            demand(order == "created_at desc", f"bad sort_by: {order}")
            entries.reverse()
        start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 20)
        more = {"next_page_token": str(start + size)} if start + size < len(entries) else {}
        return {name: entries[start : start + size], "total_size": len(entries), **more}


def _nodes_of_step(name: str, state: str, end: dict[str, Any]) -> list[tuple[str, str]]:
    """A step as the workflow has it: its driver, itself, and the attempts of its executor, the last as it ended."""
    attempts = [("executor(0)", "FAILED"), ("executor(1)", state)] if end.get("retried") == name else []
    return [(f"{name}-driver", "SUCCEEDED"), (name, state), ("executor", state), *attempts]


def _status(nodes: list[tuple[str, str]], end: dict[str, Any], *, packed: bool) -> dict[str, Any]:
    """Argo's own status; a pod that failed has a word of its container's, such as `main: Error (exit code 1)`."""
    said = {"message": f"main: {end['error']}"} if "error" in end else {}
    found: dict[str, Any] = {}
    step = ""
    for number, (name, state) in enumerate(nodes):
        pod = name.startswith("executor")
        step = step if pod else name
        path = f"yt8m(0).root(0).{step}(0).{name}(0)" if pod else f"yt8m(0).root(0).{name}"
        found[str(number)] = {
            "id": str(number), "name": path, "displayName": name, "type": "Pod" if pod else "Retry",
            "phase": state.capitalize(), **(said if pod and state == "FAILED" else {}),
        }  # fmt: skip
    return (
        {"compressedNodes": base64.b64encode(gzip.compress(json.dumps(found).encode())).decode()}
        if packed
        else {"nodes": found}
    )


def _groups(documents: dict[str, Any]) -> list[str]:
    """The names of what holds steps: the root, exit handlers, conditions, and loops with their rounds."""
    components = (spec := documents.get("pipeline_spec", documents))["components"]
    names = ["root-driver", "root"]
    for part in [spec["root"], *components.values()]:
        for name, task in part.get("dag", {}).get("tasks", {}).items():
            if "dag" not in components[task["componentRef"]["name"]]:
                continue
            if "parameterIterator" in task or "artifactIterator" in task:
                names += [name, "iteration-driver", "iteration-iterations(0:0)"]
                names += ["iteration-item-driver", "iteration-item"]
            else:
                names += [f"{name}-driver", name]
    return names


def _json(body: bytes, model: str) -> Any:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise HttpError(400, f"not JSON: {error}") from error
    check_model(value, model, model)
    return value


if __name__ == "__main__":
    serve(Kubeflow)
