"""The champion in the Vertex AI Model Registry: a version of one model, with the alias `champion`.

The registry folder says who is champion; Vertex follows. A version carries the alias `model-{fingerprint}`, by which it
is found again: a model is uploaded once, however often it is promoted, rolled back or retried. After the alias
`champion` was moved the registry is read again, so that of several that publish at once the last one leaves what the
registry says.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from yt8m.errors import InputError
from yt8m.registry.champions import Change, Registry
from yt8m.registry.files import check_kept
from yt8m.storage import is_remote

CHAMPION = "champion"
SAVED_MODEL = "saved_model"
SERVING_IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
ROLE = "roles/aiplatform.user"
UPLOAD_SECONDS = 1800.0
POLL_SECONDS = 2.0

Value = TypeVar("Value")


@dataclass(frozen=True)
class VertexTarget:
    """Where champions are published.

    Attributes:
        project: Google Cloud project.
        region: such as `us-central1`.
        model_id: the model in the registry whose versions they are.
        serving_image: the container that serves the SavedModel.
        endpoint: of the API, if not that of the region; one with http:// is used without credentials.
    """

    project: str
    region: str
    model_id: str = "yt8m"
    serving_image: str = SERVING_IMAGE
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if not self.project or not self.region:
            raise InputError("--vertex-project and --vertex-region: both are needed to publish to Vertex AI")
        if not MODEL_ID.fullmatch(self.model_id):
            raise InputError(f"--vertex-model {self.model_id}: lower-case letters, digits, _ and - are allowed, 63 at "
                             "most, and a letter or _ comes first")  # fmt: skip

    @property
    def parent(self) -> str:
        """The resource that holds the models."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def model(self) -> str:
        """The resource of the model."""
        return f"{self.parent}/models/{self.model_id}"


def check_publishable(root: str, files: list[str] | None, target: VertexTarget | None) -> None:
    """Whether a model of a registry can be published, before anything is changed.

    Args:
        root: the registry.
        files: relative names of the model's files.
        target: where it is to be published; None: nowhere, which always goes.

    Raises:
        InputError: the registry is not on gs://, from where Vertex reads, or the model has no SavedModel.
    """
    if target is None:
        return
    if not is_remote(root):
        raise InputError(f"{root}: Vertex AI reads models from gs:// alone; give --registry gs://BUCKET/FOLDER")
    if files is not None and f"{SAVED_MODEL}/saved_model.pb" not in files:
        raise InputError(f"{root}: the model has no {SAVED_MODEL}, which Vertex AI needs; promote one that `yt8m "
                         "train` exported with its SavedModel")  # fmt: skip


def is_told(registry: Registry, change: Change, target: VertexTarget | None) -> bool:
    """Whether nothing is left to do of a change: false where its command was to publish it there, and failed."""
    asked = change.decision.get("vertex")
    return asked is None or target is None or asked != target.model or registry.is_published(change, target.model)


def publish(registry: Registry, target: VertexTarget) -> dict[str, Any]:
    """Make Vertex say what the registry says: the champion's version is there and has the alias `champion`.

    Returns:
        `{model, version, uploaded}`: the resource, its version, and whether this call uploaded it.

    Raises:
        InputError: no champion, no SavedModel, no access, or a service that keeps failing. The registry folder is not
            changed; run the command again to go on.
    """
    champion = _champion(registry)
    try:
        return _publish(registry, target, champion)
    except InputError as error:
        raise InputError(
            f"{error}. In the registry {champion.name} ({champion.fingerprint}) is champion since change "
            f"{champion.number}, which stays: run the same command again, and it does no more than tell Vertex AI"
        ) from error


def _champion(registry: Registry) -> Change:
    champion = registry.champion()
    if champion is None:
        raise InputError(f"{registry.root}: there is no champion to publish; promote a model first")
    return champion


def _publish(registry: Registry, target: VertexTarget, champion: Change) -> dict[str, Any]:
    models, uploaded = _Models(target), False
    while True:
        files = [entry["name"] for entry in check_kept(registry.root, champion.model)]
        check_publishable(registry.root, files, target)
        version, is_new = models.ensure(champion, registry.path(*champion.model.split("/"), SAVED_MODEL))
        uploaded |= is_new
        models.set_alias(version, CHAMPION)
        now = _champion(registry)
        if now == champion:
            registry.note_published(champion, target.model, version)
            return {"model": target.model, "version": version, "uploaded": uploaded}
        champion = now


class _Models:
    """The versions of one model, through the service's own client."""

    def __init__(self, target: VertexTarget):
        self._target = target
        try:
            from google.api_core import exceptions
            from google.cloud.aiplatform_v1 import ModelServiceClient
        except ImportError as error:
            raise InputError("Vertex AI needs google-cloud-aiplatform; install yt8m[pipeline]") from error
        self._exceptions, self._service = exceptions, ModelServiceClient
        self._client = self._call(self._connect)

    def ensure(self, change: Change, artifacts: str) -> tuple[str, bool]:
        """The version of a model, and whether it was uploaded now.

        A failed upload is not simply sent again: whether it came through is looked up first.
        """
        alias = f"model-{change.fingerprint}"

        def once() -> tuple[str, bool]:
            found = self._find(alias)
            return (found, False) if found else (self._upload(change, artifacts, alias), True)

        return self._call(once)

    def set_alias(self, version: str, alias: str) -> None:
        """Give a version an alias; whichever version had it loses it."""
        request = {"name": f"{self._target.model}@{version}", "version_aliases": [alias]}
        self._call(lambda: self._client.merge_version_aliases(request, retry=None))

    def _connect(self) -> Any:
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials

        endpoint = self._target.endpoint or f"{self._target.region}-aiplatform.googleapis.com"
        credentials = AnonymousCredentials() if endpoint.startswith("http://") else None
        options = ClientOptions(api_endpoint=endpoint)
        return self._service(credentials=credentials, client_options=options, transport="rest")

    def _find(self, alias: str | None = None) -> str | None:
        """The version with an alias (or the default one), if there is one."""
        name = f"{self._target.model}@{alias}" if alias else self._target.model
        try:
            return str(self._client.get_model({"name": name}, retry=None).version_id)
        except self._exceptions.NotFound:
            return None

    def _upload(self, change: Change, artifacts: str, alias: str) -> str:
        target = self._target
        home = {"parent_model": target.model} if self._find() else {"model_id": target.model_id}
        operation = self._client.upload_model(
            {
                "parent": target.parent,
                **home,
                "model": {
                    "display_name": target.model_id,
                    "version_description": f"{change.name}, change {change.number}: {change.reason}",
                    "version_aliases": [alias],
                    "labels": {"yt8m-fingerprint": change.fingerprint},
                    "artifact_uri": artifacts,
                    "container_spec": {"image_uri": target.serving_image},
                },
            },
            retry=None,
        )
        deadline = time.monotonic() + UPLOAD_SECONDS
        while not operation.done(retry=self._policy()):
            if time.monotonic() > deadline:
                raise InputError(
                    f"{target.model}: the upload is not done after {UPLOAD_SECONDS:.0f} s; run again later"
                )
            time.sleep(POLL_SECONDS)
        return str(operation.result().model_version_id)

    def _policy(self) -> Any:
        """A conflict is another upload at the same time: what it made is found the next time."""
        from yt8m.storage.google_calls import patience

        return patience(also=lambda error: isinstance(error, self._exceptions.Conflict))

    def _call(self, function: Callable[[], Value]) -> Value:
        """Call with retries; what remains becomes one line that names the model."""
        from yt8m.storage.google_calls import explained

        with explained(f"Vertex AI, {self._target.model}", ROLE):
            result: Value = self._policy()(function)()
            return result
