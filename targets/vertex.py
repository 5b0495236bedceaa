"""Vertex AI Pipelines as a place to run, by its own client."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, RefreshError
from google.cloud import aiplatform
from google.cloud.aiplatform_v1 import PipelineJob

from targets.cron import vertex_cron
from targets.quiet import quiet
from targets.remote import Job, Progress, Run, Schedule, StillFailing, brief, persist, states_by_name
from targets.tokens import GoogleToken, Token
from yt8m.errors import InputError
from yt8m.storage import is_remote, join, list_tree
from yt8m.storage.google_calls import worth_trying

STATES = {
    "PIPELINE_STATE_SUCCEEDED": "succeeded",
    "PIPELINE_STATE_FAILED": "failed",
    "PIPELINE_STATE_CANCELLED": "cancelled",
    "PIPELINE_STATE_RUNNING": "running",
    "PIPELINE_STATE_CANCELLING": "running",
}
CONSOLE = "https://console.cloud.google.com/vertex-ai/locations/{region}/pipelines/runs/{run}?project={project}"
SETTINGS_LABEL = "yt8m-settings"
CHECK = {
    0: "--project, --region, --staging-bucket and --service-account are right, and the region has the GPU under steps "
    "> train > gpu > vertex of the profile",
    404: "--project and --region are right, and the project has the API (`gcloud services enable "
    "aiplatform.googleapis.com`)",
}
"""What to look at, by the status of a refusal; 0 for the others."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class VertexPlace:
    """Which project and region, and where artifacts go.

    Attributes:
        project: Google Cloud project.
        region: such as `us-central1`.
        staging_bucket: gs:// address that artifacts are written below.
        endpoint: of the API, if not that of the region; one with http:// is used without credentials, or with a token.
    """

    project: str
    region: str
    staging_bucket: str
    endpoint: str = ""


class Vertex:
    """Runs and schedules at Vertex AI Pipelines.

    Args:
        place: which project, region and bucket.
        token: access token; None for the credentials of this machine (application default credentials).

    Raises:
        InputError: something is not named, or there is no such bucket.
    """

    def __init__(self, place: VertexPlace, token: Token | None):
        for option in ("project", "region", "staging_bucket"):
            if not getattr(place, option):
                raise InputError(f"--{option.replace('_', '-')} is needed for Vertex AI")
        if not is_remote(place.staging_bucket):
            raise InputError(f"--staging-bucket {place.staging_bucket}: an address gs://BUCKET or gs://BUCKET/FOLDER "
                             "is needed")  # fmt: skip
        self._place, self._token = place, token
        self._where = f"Vertex AI, project {place.project}, {place.region}"
        self._given: Any = GoogleToken(token) if token else None
        if self._given is None and place.endpoint.startswith("http://"):
            self._given = AnonymousCredentials()
        self._at = {"project": place.project, "location": place.region}
        self._parent = f"projects/{place.project}/locations/{place.region}"
        self._call(self._connect)

    def submit(self, job: Job) -> Run:
        """Start a run; its id is ours, so that it cannot start twice.

        `PipelineJob.submit` would look for the owner of the bucket for up to 90 s first, with rights that a submitter
        need not have, and make a bucket that is not there, under a name that may be a slip.
        """
        if self._token is None:
            list_tree(join(self._place.staging_bucket, "yt8m-no-such-folder"))
        made = self._call(lambda: self._pipeline_job(job))
        request = PipelineJob.from_json(json.dumps({**made.to_dict(), "serviceAccount": job.service_account}))

        def once() -> None:
            try:
                made.api_client.create_pipeline_job(parent=self._parent, pipeline_job=request, pipeline_job_id=job.name)
            except exceptions.Conflict as conflict:
                try:
                    self._get(job.name)
                except exceptions.NotFound:
                    raise conflict from None

        self._call(once, conflict=True)
        return Run(job.name, job.name, CONSOLE.format(run=job.name, **self._names()))

    def progress(self, run: Run) -> Progress:
        """Where a run stands."""
        found = self._call(lambda: self._get(run.id).gca_resource)
        steps = states_by_name((task.task_name, task.state.name.lower()) for task in found.job_detail.task_details)
        return Progress(STATES.get(found.state.name, "waiting"), steps, brief(found.error.message, 600)
                        if found.error.message else "")  # fmt: skip

    def cron(self, expression: str, time_zone: str) -> str:
        """The expression with its zone before it."""
        return vertex_cron(expression, time_zone)

    def schedules(self, name: str | None = None) -> list[Schedule]:
        """The schedules of the project and region that start pipelines."""
        query = f'display_name="{name}"' if name else None
        found = self._call(lambda: aiplatform.PipelineJobSchedule.list(filter=query, **self._access()))
        return [_schedule(entry.gca_resource) for entry in found if name in (None, entry.display_name)]

    def create_schedule(self, job: Job, cron: str, *, paused: bool) -> Schedule:
        """Make a schedule of at most one active run; a run that comes due meanwhile is left out."""
        tried = False

        def once() -> Schedule:
            nonlocal tried
            found = [entry for entry in self.schedules(job.name) if entry.settings == job.settings] if tried else []
            tried = True
            if found:
                return found[0]
            made = aiplatform.PipelineJobSchedule(self._pipeline_job(job), job.name, **self._access())
            made.create(cron=cron, max_concurrent_run_count=1, max_concurrent_active_run_count=1, allow_queueing=False,
                        service_account=job.service_account or None)  # fmt: skip
            return _schedule(made.gca_resource)

        schedule = self._call(once, conflict=True)
        if paused:
            self.pause(schedule)
        return schedule

    def pause(self, schedule: Schedule) -> None:
        """Pause the schedule."""
        self._call(lambda: self._schedule(schedule).pause())

    def resume(self, schedule: Schedule) -> None:
        """Resume the schedule; the service makes up for no missed runs."""
        self._call(lambda: self._schedule(schedule).resume())

    def takes_away_a_run(self, schedule: Schedule) -> bool:
        """Runs are jobs of their own here, which go on."""
        return False

    def delete(self, schedule: Schedule) -> None:
        """Delete the schedule, unless it is gone."""

        def once() -> None:
            try:
                self._schedule(schedule).delete()
            except exceptions.NotFound:
                return

        self._call(once)

    def _connect(self) -> None:
        aiplatform.init(
            staging_bucket=self._place.staging_bucket, credentials=self._given, api_transport="rest",
            api_endpoint=self._place.endpoint or None, **self._at,
        )  # fmt: skip

    def _pipeline_job(self, job: Job) -> aiplatform.PipelineJob:
        return aiplatform.PipelineJob(
            display_name=job.name, template_path=str(job.package), job_id=job.name,
            labels={SETTINGS_LABEL: job.settings} if job.settings else {},
            pipeline_root=join(self._place.staging_bucket, "artifacts"), parameter_values=job.parameters,
            **self._access(),
        )  # fmt: skip

    def _get(self, run: str) -> aiplatform.PipelineJob:
        return aiplatform.PipelineJob.get(run, **self._access())

    def _schedule(self, schedule: Schedule) -> aiplatform.PipelineJobSchedule:
        return aiplatform.PipelineJobSchedule.get(schedule.id, **self._access())

    def _access(self) -> dict[str, Any]:
        return {**self._at, "credentials": self._given}

    def _names(self) -> dict[str, str]:
        return {"project": self._place.project, "region": self._place.region}

    def _call(self, function: Callable[[], Value], *, conflict: bool = False) -> Value:
        """Call the client, with retries; what remains becomes one line.

        Args:
            function: asks the client.
            conflict: whether a conflict (409) is mended by asking again.
        """

        def quietly() -> Value:
            with quiet():
                return function()

        is_worth_it = worth_trying(lambda error: conflict and isinstance(error, exceptions.Conflict))
        try:
            return persist(quietly, is_worth_it, self._where)
        except StillFailing as error:
            raise InputError(f"{self._where}: {self._hide(str(error))}; run the command again later") from error
        except (exceptions.Unauthorized, RefreshError) as error:
            raise InputError(f"{self._where}: the identity is refused (401); renew it with `gcloud auth "
                             "application-default login`, or give a fresh --token-file") from error  # fmt: skip
        except DefaultCredentialsError as error:
            raise InputError(f"{self._where}: no Google Cloud credentials; run `gcloud auth application-default "
                             "login`, or set GOOGLE_APPLICATION_CREDENTIALS") from error  # fmt: skip
        except exceptions.Forbidden as error:
            raise InputError(f"{self._where}: access denied (403: {self._hide(brief(error.message))}); give this "
                             "identity roles/aiplatform.user, and roles/iam.serviceAccountUser on the account of "
                             "--service-account") from error  # fmt: skip
        except exceptions.GoogleAPICallError as error:
            raise InputError(f"{self._where}: refused ({error.code}: {self._hide(brief(error.message))}); see that "
                             f"{CHECK.get(error.code or 0, CHECK[0])}") from error  # fmt: skip

    def _hide(self, text: str) -> str:
        return self._token.hide(text) if self._token else text


def _schedule(found: Any) -> Schedule:
    settings = found.create_pipeline_job_request.pipeline_job.labels.get(SETTINGS_LABEL, "")
    return Schedule(found.name, found.display_name, found.cron, found.state.name == "PAUSED", settings)
