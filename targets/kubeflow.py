"""Kubeflow Pipelines as a place to run, by its own client.

What its client does not: it takes a passing fault for the end, starts a second run when the answer about the first is
lost, and waits for ever on a run that was cancelled.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import kfp
import kfp_server_api
import requests
import urllib3

from targets.cron import kubeflow_cron
from targets.dag import step_titles
from targets.parameters import read_pipeline
from targets.quiet import quiet
from targets.remote import Job, Progress, Run, Schedule, StillFailing, brief, persist, states_by_name
from targets.tokens import KubeflowToken, Token
from targets.workflow import OMITTED, Node, read_nodes, why
from yt8m.errors import InputError

IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
PASSING = frozenset({0, 408, 429, 502, 503, 504})
STATES = {"SUCCEEDED": "succeeded", "SKIPPED": "succeeded", "FAILED": "failed", "CANCELED": "cancelled",
          "RUNNING": "running", "CANCELING": "running", "PAUSED": "waiting"}  # fmt: skip
STOPPING = "CANCELING"
OLDEST, BEST = (2, 14), "2.17"
VERSION = re.compile(r"v?(\d+)\.(\d+)")
SETTINGS = re.compile(r"settings ([0-9a-f]{16,})")
PAGE = 100
NEWEST = "created_at desc"

Value = TypeVar("Value")


@dataclass(frozen=True)
class KubeflowPlace:
    """Which installation, and where in it.

    Attributes:
        host: address of its API; empty to find it by the cluster's own name or by kubectl's configuration.
        namespace: of the user, in an installation for several.
        experiment: that runs belong to; it is made if it is not there.
        ui_host: address of its pages, if not the host.
        cluster_zone: time zone that its schedules follow.
    """

    host: str = ""
    namespace: str = ""
    experiment: str = "yt8m"
    ui_host: str = ""
    cluster_zone: str = "UTC"


class Kubeflow:
    """Runs and schedules at Kubeflow Pipelines.

    Args:
        place: which installation.
        token: proof of identity; None for an installation that asks for none.

    Raises:
        InputError: the host cannot be reached, or refuses.
    """

    def __init__(self, place: KubeflowPlace, token: Token | None):
        self._place, self._token = place, token
        self._where = place.host or "Kubeflow Pipelines"
        if place.host and not place.host.startswith(("http://", "https://")):
            raise InputError(
                f"--host {place.host}: an address is needed, such as https://kubeflow.example.com/pipeline"
            )
        if place.host:
            self._call(self._look)
        self._client: kfp.Client = self._call(self._connect)
        self._namespace = place.namespace or None
        self._experiment_id: str | None = None
        self._titles: dict[str, str] = {}
        self._call(self._check_version)

    def submit(self, job: Job) -> Run:
        """Start a run; the name is looked up before it is sent again."""
        experiment, tried = self._experiment(), False

        def once() -> Any:
            nonlocal tried
            found = self._find_run(job.name, experiment) if tried else None
            tried = True
            return found or self._client.run_pipeline(
                experiment, job.name, pipeline_package_path=str(job.package), params=job.parameters,
                service_account=job.service_account or None,
            )  # fmt: skip

        made = self._call(once, conflict=True)
        self._titles = step_titles(read_pipeline(job.package))
        pages = (self._place.ui_host or self._place.host).rstrip("/")
        return Run(made.run_id, job.name, f"{pages}/#/runs/details/{made.run_id}")

    def progress(self, run: Run) -> Progress:
        """Where a run that was sent from here stands.

        The service lists the nodes of the workflow: steps by the names of their tasks, and beside them drivers, loops,
        conditions and attempts, which are left out (a failed attempt stays one after a good one). They are read from
        the workflow itself where it is shown, as the list of tasks stands still once a workflow is large (see
        `targets.workflow`); that has a word on why a pod failed, too, and the steps' records say more.
        """
        found = self._call(lambda: self._client.get_run(run.id))
        state = STATES.get(found.state or "", "waiting")
        if state == "failed" and any(entry.state == STOPPING for entry in found.state_history or []):
            state = "cancelled"  # a run that was terminated ends as a failed one
        if nodes := self._nodes(run.id):
            listed = [(node.name, node.phase) for node in nodes]
            reason = why(nodes, self._titles) if state == "failed" else ""
        else:
            details = found.run_details.task_details if found.run_details else None
            listed = [(task.display_name, task.state or "") for task in details or []]
            reason = ""
        steps = states_by_name(
            (self._titles[name], "failed" if phase == "Error" else phase.lower())
            for name, phase in listed
            if phase not in ("", OMITTED) and name in self._titles
        )
        return Progress(state, steps, reason)

    def _nodes(self, run: str) -> list[Node]:
        """The nodes of a run's workflow; none where the older API, which alone shows it, is not there."""
        api = self._client._run_api.api_client

        def once() -> Any:
            try:
                return api.call_api(f"/apis/v1beta1/runs/{run}", "GET", response_type="object",
                                    auth_settings=["Bearer"], _return_http_data_only=True)  # fmt: skip
            except kfp_server_api.ApiException as error:
                if error.status in PASSING:
                    raise
                return {}

        return read_nodes((self._call(once).get("pipeline_runtime") or {}).get("workflow_manifest") or "")

    def cron(self, expression: str, time_zone: str) -> str:
        """Six fields in the zone of the cluster."""
        return kubeflow_cron(expression, time_zone, self._place.cluster_zone)

    def schedules(self, name: str | None = None) -> list[Schedule]:
        """The recurring runs of the experiment."""
        found: list[Any] = []
        page = self._recurring_runs(name, "")
        found += page.recurring_runs or []
        while page.next_page_token:
            page = self._recurring_runs(name, page.next_page_token)
            found += page.recurring_runs or []
        return [_schedule(entry) for entry in found if name in (None, entry.display_name)]

    def _recurring_runs(self, name: str | None, token: str) -> Any:
        experiment, query = self._experiment(), _by_name(name) if name else None
        return self._call(lambda: self._client.list_recurring_runs(
            page_token=token, page_size=PAGE, sort_by=NEWEST, experiment_id=experiment, filter=query))  # fmt: skip

    def create_schedule(self, job: Job, cron: str, *, paused: bool) -> Schedule:
        """Make a recurring run of at most one run at a time, without catching up."""
        experiment, tried = self._experiment(), False

        def once() -> Schedule:
            nonlocal tried
            found = [entry for entry in self.schedules(job.name) if entry.settings == job.settings] if tried else []
            tried = True
            if found:
                return found[0]
            return _schedule(self._client.create_recurring_run(
                experiment, job.name, description=f"yt8m, settings {job.settings}", cron_expression=cron,
                max_concurrency=1, no_catchup=True, params=job.parameters, pipeline_package_path=str(job.package),
                enabled=not paused, service_account=job.service_account or None,
            ))  # fmt: skip

        return self._call(once, conflict=True)

    def pause(self, schedule: Schedule) -> None:
        """Disable the recurring run."""
        self._call(lambda: self._client.disable_recurring_run(schedule.id))

    def resume(self, schedule: Schedule) -> None:
        """Enable the recurring run."""
        self._call(lambda: self._client.enable_recurring_run(schedule.id))

    def takes_away_a_run(self, schedule: Schedule) -> bool:
        """A workflow belongs to its schedule, and Kubernetes removes it with that, whatever it does (kubeflow/pipelines
        2.17.0, backend/src/apiserver/resource/resource_manager.go line 705): no last step, no summary, and the service
        shows the run as running for ever.
        """
        experiment = self._experiment()
        found = self._call(lambda: self._client.list_runs(
            experiment_id=experiment, sort_by=NEWEST, page_size=PAGE)).runs  # fmt: skip
        return any(run.recurring_run_id == schedule.id and run.state not in ENDED for run in found or [])

    def delete(self, schedule: Schedule) -> None:
        """Delete the recurring run, unless it is gone."""

        def once() -> None:
            try:
                self._client.delete_recurring_run(schedule.id)
            except kfp_server_api.ApiException as error:
                if error.status != 404:
                    raise

        self._call(once)

    def _look(self) -> None:
        """One plain request before the client, which would try a host for half a minute whatever it answers."""
        headers = {"Authorization": f"Bearer {self._token.read()}"} if self._token else {}
        answer = requests.get(f"{self._place.host.rstrip('/')}/apis/v2beta1/healthz", headers=headers, timeout=30)
        if not answer.ok:
            raise kfp_server_api.ApiException(status=answer.status_code, reason=answer.reason)

    def _connect(self) -> kfp.Client:
        credentials = KubeflowToken(self._token) if self._token else None
        # its argument `namespace` is where the installation is looked for, and not the user's: "kubeflow" unless told
        return kfp.Client(
            host=self._place.host or None, credentials=credentials, ui_host=self._place.ui_host or None,
        )  # fmt: skip

    def _check_version(self) -> None:
        """Refuse a server that cannot run the pipeline; one that was built without a version is taken for a right one.

        Raises:
            InputError: it is too old.
        """
        answer = self._client._healthz_api.healthz_service_get_healthz(_preload_content=False)
        told = str(json.loads(answer.data).get("tag_name", ""))
        version = VERSION.match(told)
        if version and (int(version[1]), int(version[2])) < OLDEST:
            raise InputError(f"{self._where}: it is Kubeflow Pipelines {told}; this pipeline needs "
                             f"{OLDEST[0]}.{OLDEST[1]} or later, best {BEST}, as earlier ones refuse or mistake how a "
                             "run ended; ask whoever keeps the cluster to upgrade it")  # fmt: skip

    def _experiment(self) -> str:
        if self._experiment_id is None:
            made = self._call(
                lambda: self._client.create_experiment(self._place.experiment, namespace=self._namespace), conflict=True
            )
            self._experiment_id = str(made.experiment_id)
        return self._experiment_id

    def _find_run(self, name: str, experiment: str) -> Any:
        found = self._client.list_runs(experiment_id=experiment, filter=_by_name(name)).runs
        return found[0] if found else None

    def _call(self, function: Callable[[], Value], *, conflict: bool = False) -> Value:
        """Call the client, with retries; what remains becomes one line.

        Args:
            function: asks the client.
            conflict: whether "it is there already" (409) is mended by asking again.
        """

        def quietly() -> Value:
            with quiet():
                return function()

        try:
            return persist(quietly, lambda error: _is_passing(error, conflict), self._where)
        except StillFailing as error:
            raise InputError(f"{self._where}: {self._hide(str(error))}; see that the address is right and the service "
                             "is up, then run the command again") from error  # fmt: skip
        except kfp_server_api.ApiException as error:
            raise InputError(f"{self._where}: {self._hide(self._explain(error))}") from error

    def _explain(self, error: kfp_server_api.ApiException) -> str:
        if error.status == 401:
            given = "the token is refused" if self._token else "a token is asked for"
            return (f"{given} (401); make one with `kubectl create token SERVICE_ACCOUNT --audience "
                    "pipelines.kubeflow.org`, and give its file with --token-file")  # fmt: skip
        if error.status == 403:
            return (f"access denied (403: {_message(error)}); bind the role kubeflow-pipelines-edit to this identity "
                    f"in namespace {self._place.namespace or '(none given: name it with --namespace)'}")  # fmt: skip
        if error.status == 404:
            return f"not found (404: {_message(error)}); see that --host names Kubeflow Pipelines, as far as /pipeline"
        return (f"refused ({error.status}: {_message(error)}); see that --namespace, --experiment and "
                "--service-account name what is there, and that it is Kubeflow Pipelines 2.x")  # fmt: skip

    def _hide(self, text: str) -> str:
        return self._token.hide(text) if self._token else text


def _is_passing(error: Exception, conflict: bool) -> bool:
    if isinstance(error, kfp_server_api.ApiException):
        return error.status in PASSING or (conflict and error.status == 409)
    return isinstance(error, urllib3.exceptions.HTTPError | requests.ConnectionError | requests.Timeout | TimeoutError)


def _message(error: kfp_server_api.ApiException) -> str:
    """What the service said, which it wraps in JSON."""
    try:
        body = json.loads(error.body)
        return brief(body.get("message") or body.get("error") or error.reason)
    except (TypeError, ValueError, AttributeError):
        return brief(error.body or error.reason)


def _by_name(name: str) -> str:
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def _schedule(entry: Any) -> Schedule:
    cron = entry.trigger.cron_schedule.cron if entry.trigger and entry.trigger.cron_schedule else ""
    found = SETTINGS.search(entry.description or "")
    paused = entry.mode == "DISABLE" if entry.mode else entry.status == "DISABLED"
    return Schedule(str(entry.recurring_run_id), entry.display_name, cron, paused, found[1] if found else "")
