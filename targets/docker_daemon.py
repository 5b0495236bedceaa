"""The docker daemon of this machine, and the images that it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from requests import RequestException

from targets.settings import DIGEST
from yt8m.errors import InputError
from yt8m.progress import log

CODE_LABEL = "yt8m.code-version"  # which library an image holds; see containers/images
FAILURES = (DockerException, RequestException)


@dataclass(frozen=True)
class LocalImage:
    """An image that the daemon has: its name, the identity of its content, and which library it holds if it says so."""

    name: str
    id: str
    code_version: str | None


def connect() -> docker.DockerClient:
    """A client of the daemon that `DOCKER_HOST` names, or of this machine's.

    Raises:
        InputError: none answers.
    """
    try:
        return docker.from_env()
    except FAILURES as error:
        raise InputError(f"docker cannot be reached ({reason(error)}); start its daemon, with access for this user, "
                         "or run with --runner subprocess") from error  # fmt: skip


def find_images(names: Mapping[str, str]) -> dict[str, LocalImage]:
    """The images of these names, under the same keys; only one by digest is pulled, and only where it is not here.

    Raises:
        InputError: an image is not here and cannot be pulled, or docker cannot be reached.
    """
    client = connect()
    try:
        return {key: _local(name, _find(client, name)) for key, name in names.items()}
    finally:
        client.close()


def _local(name: str, image: Any) -> LocalImage:
    return LocalImage(name, image.id, image.labels.get(CODE_LABEL))


def _find(client: docker.DockerClient, name: str) -> Any:
    try:
        return client.images.get(name)
    except ImageNotFound as error:
        if DIGEST not in name:
            raise InputError(f"there is no image {name} on this machine; `make images` builds it "
                             "(without a GPU: make images TRAINER=cpu)") from error  # fmt: skip
    log(f"pulling {name}")
    try:
        repository, _, digest = name.partition("@")
        return client.images.pull(repository, tag=digest)
    except FAILURES as error:
        raise InputError(f"the image {name} is not on this machine and cannot be pulled ({reason(error)})") from error


def reason(error: Exception) -> str:
    """The innermost cause of a client's error, as one line."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return " ".join(str(getattr(error, "explanation", None) or cause).split())
