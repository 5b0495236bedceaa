"""The part of Vertex AI Pipelines that submitting and scheduling use, over REST, as a process of its own.

Each request is parsed as the service's own message (`aiplatform_v1`), unknown fields included among the errors, and
held to what the service's documentation demands: resource names, required and output-only fields, labels, a cron
expression with its zone, a pipeline specification that is one, and parameters that it declares.

Run it by `python vertex_pipelines.py [PORT]`; it prints its port on the first line. `plumbing.py` says how it
misbehaves, `pipeline_service.py` what it can be told.
"""

import json
import re
from typing import Any
from zoneinfo import available_timezones

from google.cloud import aiplatform_v1
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, json_format
from pipeline_service import CRON_FIELD, PipelineService, check_parameters, check_pipeline, step_names, step_states
from plumbing import HttpError, demand, serve
from vertex_messages import PARENT, as_json, error_body, parsed

JOB_ID = r"[a-z][-a-z0-9]{0,127}"
JOB_OUTPUT_ONLY = ("name", "state", "jobDetail", "error", "createTime", "startTime", "endTime", "updateTime")
SCHEDULE_OUTPUT_ONLY = ("name", "state", "createTime", "updateTime", "nextRunTime", "lastPauseTime", "lastResumeTime",
                        "catchUp", "startedRunCount")  # fmt: skip
ENDS = {"SUCCEEDED": 4, "FAILED": 5, "CANCELLED": 7}


def check_job(job: Any) -> None:
    """Whether a pipeline job is one that the service would start."""
    content = as_json(job)
    for name in JOB_OUTPUT_ONLY:
        demand(name not in content, f"pipeline_job.{name} is output only")
    config = job.runtime_config
    demand(
        re.fullmatch(r"gs://[^/]+/?.*", config.gcs_output_directory), "runtime_config.gcs_output_directory is required"
    )
    demand(not config.parameters, "runtime_config.parameters is deprecated")
    spec = content.get("pipelineSpec")
    demand("platforms" not in (spec or {}), "a platform spec is not supported")
    check_pipeline(spec)
    check_parameters(content["runtimeConfig"].get("parameterValues", {}), spec)
    for key, value in job.labels.items():
        demand(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) and re.fullmatch(r"[a-z0-9_-]{0,63}", value),
               f"bad label {key}: {value}")  # fmt: skip


class VertexPipelines(PipelineService):
    def __init__(self, options: dict[str, Any]):
        super().__init__(options)
        self.jobs: dict[str, Any] = {}
        self.schedules: dict[str, Any] = {}
        self.number = 0

    def error_body(self, status: int, message: str) -> Any:
        return error_body(status, message)

    def route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        for verb, pattern, work in (
            ("POST", "(.+)/pipelineJobs", lambda parent: self._create_job(parent, query, body)),
            ("GET", "(.+/pipelineJobs/[^/:]+)", self._look),
            ("POST", "(.+)/schedules", lambda parent: self._create_schedule(parent, body)),
            ("GET", "(.+)/schedules", lambda parent: self._list(parent, query)),
            ("GET", "(.+/schedules/[^/:]+)", self._get_schedule),
            ("POST", "(.+/schedules/[^/:]+):(pause|resume)", lambda name, verb: self._set_state(name, verb, body)),
            ("DELETE", "(.+/schedules/[^/:]+)", self._delete_schedule),
        ):
            found = re.fullmatch(f"/v1/{pattern}", path)
            if found and verb == method:
                with self.lock:
                    answer = work(*found.groups())
                    return answer if isinstance(answer, dict) else as_json(answer)
        raise HttpError(404, f"Not Found: {method} {path}")

    def tick(self) -> Any:
        """Every active schedule is due once; one whose limit of active runs is reached starts none."""
        with self.lock:
            started = []
            for schedule in self.schedules.values():
                active = [job for job in self.jobs.values() if job.schedule_name == schedule.name and job.state.name in
                          {"PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING"}]  # fmt: skip
                if schedule.state.name == "ACTIVE" and len(active) < schedule.max_concurrent_active_run_count:
                    request = schedule.create_pipeline_job_request
                    job = aiplatform_v1.PipelineJob(request.pipeline_job)
                    job.schedule_name = schedule.name
                    self.number += 1
                    started.append(as_json(self._start(request.parent, f"scheduled-{self.number}", job)))
            return started

    def _create_job(self, parent: str, query: dict[str, str], body: bytes) -> Any:
        job = parsed(body, aiplatform_v1.PipelineJob)
        demand(re.fullmatch(PARENT, parent), f"bad parent: {parent}")
        job_id = query.get("pipelineJobId", "")
        demand(re.fullmatch(JOB_ID, job_id), f"bad pipelineJobId: {job_id}")
        demand(job.display_name, "pipeline_job.display_name is required")
        check_job(job)
        demand(f"{parent}/pipelineJobs/{job_id}" not in self.jobs, f"PipelineJob {job_id} already exists.", 409)
        return self._start(parent, job_id, job)

    def _start(self, parent: str, job_id: str, job: Any) -> Any:
        job.name = f"{parent}/pipelineJobs/{job_id}"
        job.state = 2
        self.jobs[job.name] = job
        self.looks[job.name], self.ends[job.name] = 0, dict(self.script)
        return job

    def _look(self, name: str) -> Any:
        """The job, which is a step further at each look: pending, running, ended."""
        job = self.jobs.get(name)
        demand(job, f"The PipelineJob does not exist: {name}", 404)
        looks, end = self.looks[name], self.ends[name]
        self.looks[name] = looks + 1
        job.state = (2, 3, ENDS[end.get("end", "SUCCEEDED")])[min(looks, 2)]
        failed = job.state.name == "PIPELINE_STATE_FAILED"
        if failed:
            job.error = {"code": 9, "message": end.get("error", "")}
        state = {2: 1, 3: 2}.get(int(job.state), 3)
        names = step_names(as_json(job)["pipelineSpec"])
        job.job_detail = {"task_details": [
            {"task_id": number, "task_name": task, "state": how}
            for number, (task, how) in enumerate(zip(names, step_states(names, end, failed, (7, state)), strict=True))
        ]}  # fmt: skip
        return job

    def _create_schedule(self, parent: str, body: bytes) -> Any:
        schedule = parsed(body, aiplatform_v1.Schedule)
        demand(re.fullmatch(PARENT, parent), f"bad parent: {parent}")
        for name in SCHEDULE_OUTPUT_ONLY:
            demand(name not in as_json(schedule), f"schedule.{name} is output only")
        demand(schedule.display_name, "schedule.display_name is required")
        demand(schedule.max_concurrent_run_count >= 1, "schedule.max_concurrent_run_count is required")
        self._check_cron(schedule.cron)
        request = schedule.create_pipeline_job_request
        demand(request.parent == parent, "create_pipeline_job_request.parent is required")
        demand(request.pipeline_job, "create_pipeline_job_request.pipeline_job is required")
        check_job(request.pipeline_job)
        self.number += 1
        schedule.name, schedule.state = f"{parent}/schedules/{self.number}", 1
        self.schedules[schedule.name] = schedule
        return schedule

    @staticmethod
    def _check_cron(cron: str) -> None:
        found = re.fullmatch(rf"(?:(?:CRON_)?TZ=(\S+) )?({CRON_FIELD}(?: {CRON_FIELD}){{4}})", cron)
        demand(found, f"bad cron: {cron!r}")
        demand(found[1] is None or found[1] in available_timezones(), f"bad time zone: {cron!r}")

    def _list(self, parent: str, query: dict[str, str]) -> Any:
        found = [entry for name, entry in self.schedules.items() if name.startswith(f"{parent}/")]
        if query.get("filter"):
            name = re.fullmatch(r'display_name="([^"]+)"', query["filter"])
            demand(name, f"bad filter: {query['filter']}")
            found = [entry for entry in found if entry.display_name == name[1]]
        return {"schedules": [as_json(entry) for entry in found]}

    def _get_schedule(self, name: str) -> Any:
        demand(name in self.schedules, f"The Schedule does not exist: {name}", 404)
        return self.schedules[name]

    def _set_state(self, name: str, verb: str, body: bytes) -> Any:
        kind = aiplatform_v1.PauseScheduleRequest if verb == "pause" else aiplatform_v1.ResumeScheduleRequest
        parsed(body or b"{}", kind)
        schedule = self._get_schedule(name)
        wanted = "ACTIVE" if verb == "pause" else "PAUSED"
        demand(schedule.state.name == wanted, f"the schedule is not {wanted}")
        schedule.state = 2 if verb == "pause" else 1
        return {}

    def _delete_schedule(self, name: str) -> Any:
        self._get_schedule(name)
        del self.schedules[name]
        operation = operations_pb2.Operation(name=f"{name}/operations/1", done=True)
        operation.response.Pack(empty_pb2.Empty())
        return json.loads(json_format.MessageToJson(operation))


if __name__ == "__main__":
    serve(VertexPipelines)
