"""What every image must keep to, read from the Dockerfiles: pinned installs, no root, a tried entry point."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from targets.settings import load_profile

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
IMAGES = ["data", "trainer"]


def dockerfile(name: str) -> str:
    """The instructions, one a line, without comments."""
    text = (ROOT / "containers" / name / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))


@pytest.mark.parametrize("name", IMAGES)
def test_installs_are_pinned_by_hash_and_kfp_comes_without_what_it_drags_along(name: str) -> None:
    installs = re.findall(r"pip install (.+?)(?: && |$)", dockerfile(name), re.MULTILINE)
    assert len(installs) == 2
    assert all("--require-hashes" in install for install in installs)
    assert "--no-deps -r /requirements/executor.txt" in installs[1]
    for file in re.findall(r"requirements/(\S+\.txt)", dockerfile(name)):
        assert (REQUIREMENTS / file.replace("${REQUIREMENTS}", "trainer.txt")).exists()


@pytest.mark.parametrize("name", IMAGES)
def test_images_take_a_base_run_without_root_and_try_their_entry_point(name: str) -> None:
    text = dockerfile(name)
    assert text.lstrip().startswith("ARG BASE_IMAGE=")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE_IMAGE}", "dependencies", "${BASE_IMAGE}"]
    user = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert user == ["1000:1000"]
    assert text.index("RUN yt8m --version") > text.index("USER ")
    assert 'ENTRYPOINT ["yt8m"]' in text
    assert re.search(r'^HEALTHCHECK .*CMD \["yt8m", "--version"\]$', text, re.MULTILINE)


@pytest.mark.parametrize("name", IMAGES)
def test_code_lies_in_a_layer_of_its_own_after_what_it_depends_on(name: str) -> None:
    last = dockerfile(name).split("FROM ${BASE_IMAGE}")[-1]
    copies = re.findall(r"^COPY --from=(\S+) \S+ (\S+)$", last, re.MULTILINE)
    assert copies == [("dependencies", "/opt/yt8m"), ("code", "/opt/yt8m/lib/python3.11/site-packages/yt8m")]
    assert re.findall(r"^COPY (yt8m) ", dockerfile(name).split("FROM dependencies AS code")[0], re.MULTILINE) == []


@pytest.mark.parametrize("name", ["trainer", "trainer-cpu", "trainer-jax"])
def test_the_image_of_promotions_can_publish_them(name: str) -> None:
    pins = [re.findall(r"^google-cloud-aiplatform==(\S+)", (REQUIREMENTS / f"{file}.txt").read_text(), re.MULTILINE)
            for file in (name, "dev")]  # fmt: skip
    assert pins[0] == pins[1] != []


@pytest.mark.parametrize(
    ("name", "engines"), [("trainer", {"tensorflow"}), ("trainer-cpu", {"tensorflow-cpu"}), ("trainer-jax", {"jax"})]
)
def test_a_trainer_image_holds_one_engine_and_the_same_keras(name: str, engines: set[str]) -> None:
    pins = dict(
        re.findall(r"^(keras|jax|tensorflow[\w-]*)==(\S+)", (REQUIREMENTS / f"{name}.txt").read_text(), re.MULTILINE)
    )
    ours = (REQUIREMENTS / "dev.txt").read_text()
    assert set(pins) == {"keras", *engines}
    assert all(f"\n{package.removesuffix('-cpu')}" in ours and version in ours for package, version in pins.items())


def test_the_jax_image_computes_by_jax_unless_told_otherwise() -> None:
    """Built with an argument that the environment of its steps keeps."""
    last = dockerfile("trainer").split("FROM ${BASE_IMAGE}")[-1]
    assert "ARG KERAS_BACKEND=\n" in last
    assert "KERAS_BACKEND=${KERAS_BACKEND}" in last
    script = (ROOT / "containers" / "images").read_text()
    assert '[ "$1-$trainer" != trainer-jax ] || engine=(--build-arg KERAS_BACKEND=jax)' in script


def test_the_settings_and_the_build_agree_on_the_names_of_images() -> None:
    images = load_profile(ROOT / "settings.yaml", "dev").images
    assert images == {"data": "yt8m-data:dev", "trainer": "yt8m-trainer:dev"}
    script = (ROOT / "containers" / "images").read_text()
    assert 'echo "yt8m-$1:$tag"' in script
    assert "tag=${TAG:-dev}" in script


def with_docker(*command: str, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "containers" / "with-docker"), *command], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": path, "DOCKER_HOST": "unix:///no/such.sock", **environment},
    )  # fmt: skip


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with what a shell script needs, and neither docker nor a package manager."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "cat", "grep", "id", "mktemp", "rm", "sh", "sleep", "sort", "tail", "umount"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return folder


def as_command(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_where_docker_answers_a_command_runs_and_its_exit_code_counts(tools: Path) -> None:
    as_command(tools, "docker", "exit 0")
    for code in (0, 1, 2):
        assert with_docker("sh", "-c", f"echo ran; exit {code}", path=str(tools)).returncode == code


def test_where_docker_cannot_be_had_nothing_runs_and_the_exit_code_says_so(tools: Path, tmp_path: Path) -> None:
    done = with_docker("sh", "-c", "echo ran", path=str(tools), YT8M_DOCKER_PARENT=str(tmp_path))
    assert (done.returncode, done.stdout) == (77, "")
    assert re.fullmatch("with-docker: docker cannot be had here: .*\n", done.stderr)
    assert not list(tmp_path.glob("yt8m-docker-*"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start a daemon")
def test_a_daemon_that_does_not_start_is_one_line_with_its_own_words(tools: Path, tmp_path: Path) -> None:
    as_command(tools, "docker", "exit 1")
    as_command(tools, "dockerd", "echo level=fatal msg=no-cgroups; exit 1")
    done = with_docker("true", path=str(tools), YT8M_DOCKER_PARENT=str(tmp_path))
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr == "with-docker: docker cannot be had here: dockerd does not start: level=fatal msg=no-cgroups\n"
    assert not list(tmp_path.glob("yt8m-docker-*"))


def run_ci(tmp_path: Path, *, user: int, code: int) -> subprocess.CompletedProcess[str]:
    """`.ci/run` by a user, where the tests in docker end with an exit code."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "containers").mkdir()
    (tmp_path / "bin").mkdir()
    as_command(tmp_path / "containers", "with-docker", f'echo "asked: $*"; exit {code}')
    as_command(tmp_path / "bin", "make", 'echo "make $*"')
    as_command(tmp_path / "bin", "id", f"echo {user}")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    return subprocess.run([str(tmp_path / ".ci" / "run")], capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": path})  # fmt: skip


def test_ci_says_that_the_container_part_takes_root_and_goes_on(tmp_path: Path) -> None:
    done = run_ci(tmp_path, user=1000, code=2)
    assert done.returncode == 0
    *made, said = done.stdout.splitlines()
    assert made == ["make test", "make lint"]
    assert said.startswith(".ci/run: make test-containers was left out, as its base image takes root")


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (77, 0), (2, 2)])
def test_ci_leaves_out_what_a_machine_cannot_run_and_nothing_else(tmp_path: Path, code: int, ends: int) -> None:
    done = run_ci(tmp_path, user=0, code=code)
    assert done.returncode == ends
    assert done.stdout.splitlines()[:3] == ["make test", "make lint", "asked: make test-containers"]
    assert ("make test-containers was left out" in done.stdout) == (code == 77)


@pytest.mark.parametrize("command", [["images", "build"], ["images", "push"], ["images"]])
def test_without_docker_a_build_is_one_line(command: list[str]) -> None:
    done = subprocess.run(
        [str(ROOT / "containers" / command[0]), *command[1:]], capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DOCKER_HOST": "unix:///no/such.sock"}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "containers/images: docker does not answer; start its daemon\n"
