"""The images: what they say, hold and are allowed, run as a cluster runs them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.containers.conftest import IMAGES, SAMPLE

AS_A_CLUSTER = ("--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL", "--user", "12345:12345")


def in_image(kind: str, *arguments: object, options: tuple[str, ...] = AS_A_CLUSTER) -> str:
    done = subprocess.run(["docker", "run", "--rm", *options, IMAGES[kind], *map(str, arguments)],
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_says_what_it_is_and_runs_without_root(client: Any, kind: str) -> None:
    configuration = client.images.get(IMAGES[kind]).attrs["Config"]
    assert configuration["User"] == "1000:1000"
    assert configuration["Entrypoint"] == ["yt8m"]
    assert configuration["Healthcheck"]["Test"] == ["CMD", "yt8m", "--version"]
    labels = configuration["Labels"]
    assert labels["org.opencontainers.image.title"] == f"yt8m-{kind}"
    assert labels["org.opencontainers.image.base.name"] == "yt8m-base"
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["org.opencontainers.image.revision"])
    assert in_image(kind, "--version") == f"yt8m {labels['org.opencontainers.image.version']}\n"


def test_the_data_image_has_no_framework_and_neither_has_an_installer() -> None:
    script = "import importlib.util as u; print([m for m in {} if u.find_spec(m)])"
    modules = ["tensorflow", "keras", "pip", "pyarrow"]
    shell = (*AS_A_CLUSTER, "--entrypoint", "python3")
    assert in_image("data", "-c", script.format(modules), options=shell) == "['pyarrow']\n"
    assert in_image("trainer", "-c", script.format(modules), options=shell) == "['tensorflow', 'keras', 'pyarrow']\n"


def test_a_command_writes_to_a_mounted_folder_as_any_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    mounts = ("--volume", f"{SAMPLE}:/sample:ro", "--volume", f"{tmp_path}:/out")
    made = in_image("data", "index", "/sample/train", "-o", "/out/i.parquet", "--json", options=AS_A_CLUSTER + mounts)
    assert json.loads(made)["videos"] == 1787
    assert (tmp_path / "i.parquet").stat().st_uid == 12345


PUBLISH = """
from yt8m.promotion import VertexTarget
from yt8m.registry.champions import Registry
from yt8m.promotion.vertex import publish
from yt8m.errors import InputError

try:
    publish(Registry("/tmp/registry"), VertexTarget("tagging", "europe-west4", endpoint="http://127.0.0.1:9"))
except InputError as error:
    print(error)
"""


def test_the_image_of_promotions_has_the_client_of_the_model_registry() -> None:
    said = in_image("trainer", "-c", PUBLISH, options=(*AS_A_CLUSTER, "--entrypoint", "python3"))
    assert said == "/tmp/registry: there is no champion to publish; promote a model first\n"
