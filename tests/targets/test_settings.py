"""The settings file: what is there is what a profile says, and a wrong entry is named with its place."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from targets.prices import cores_of, gigabytes_of
from targets.settings import Gpu, Retry, Toleration, Volume, load_profile
from yt8m.errors import InputError

SETTINGS = Path(__file__).parents[2] / "settings.yaml"


@pytest.mark.parametrize("name", ["dev", "local-cluster", "test", "prod"])
def test_each_profile_of_the_project_is_valid(name: str) -> None:
    profile = load_profile(SETTINGS, name)
    assert profile.name == name
    assert set(profile.steps) == {"data", "train", "predict"}
    assert (profile.steps["train"].gpu is None) == (name == "local-cluster")
    assert profile.steps["data"].gpu is None
    assert profile.steps["train"].shared_memory


ALLOCATABLE = {  # cores and GiB that GKE leaves of the machine that is named beside the values
    "e2-standard-4": (3.92, 13.3), "n1-standard-4": (3.92, 12.4),
    "e2-standard-8": (7.91, 28.3), "g2-standard-16": (15.89, 58.4),
}  # fmt: skip
SYSTEM_PODS = (0.5, 1.0)


@pytest.mark.parametrize(
    ("name", "kind", "machine", "next_smaller"),
    [
        ("dev", "data", "e2-standard-4", (0, 0)),
        ("dev", "train", "n1-standard-4", (2, 7.5)),
        ("prod", "data", "e2-standard-8", (4, 16)),
        ("prod", "train", "g2-standard-16", (12, 48)),
    ],
)
def test_a_step_fits_the_machine_that_is_meant_with_what_a_node_keeps_and_no_smaller_one(
    name: str, kind: str, machine: str, next_smaller: tuple[float, float]
) -> None:
    step = load_profile(SETTINGS, name).steps[kind]
    cores, memory = cores_of(step.cpu), gigabytes_of(step.memory) * 1e9 / 2**30
    assert cores <= ALLOCATABLE[machine][0] - SYSTEM_PODS[0]
    assert memory <= ALLOCATABLE[machine][1] - SYSTEM_PODS[1]
    assert cores > next_smaller[0] or memory > next_smaller[1]
    assert machine in SETTINGS.read_text()


def test_values_arrive_as_they_are_written() -> None:
    train = load_profile(SETTINGS, "prod").steps["train"]
    assert (train.cpu, train.memory, train.shared_memory, train.timeout_minutes) == ("15", "56G", "16Gi", 2880)
    assert train.gpu == Gpu(count=1, kfp="nvidia.com/gpu", vertex="NVIDIA_L4")
    assert train.retry == Retry(attempts=5, backoff_seconds=60, backoff_max_seconds=1800)
    assert train.tolerations == [Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")]
    assert load_profile(SETTINGS, "prod").volumes == [Volume(claim="yt8m", path="/data")]


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], Any], profile: str = "dev") -> Path:
    settings = copy.deepcopy(yaml.safe_load(SETTINGS.read_text()))
    change(settings["profiles"][profile])
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.dump(settings))
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p.pop("images"), "profiles > dev: 'images' is missing"),
        (lambda p: p.update(image="x"), "profiles > dev: there is no key 'image'"),
        (lambda p: p["steps"].pop("train"), "dev > steps: 'train' is missing"),
        (lambda p: p["steps"]["data"].update(cpus=3), "steps > data: there is no key 'cpus'"),
        (lambda p: p["steps"]["data"].update(cpu="many"), "data > cpu: a number of cores"),
        (lambda p: p["steps"]["data"].update(cpu=True), "data > cpu: a number of cores"),
        (lambda p: p["steps"]["data"].update(memory="16 G"), "data > memory: a quantity of bytes"),
        (lambda p: p["steps"]["data"].update(timeout_minutes=0), "timeout_minutes: a whole number from 1"),
        (lambda p: p["steps"]["data"]["retry"].update(attempts=-1), "attempts: a whole number from 0"),
        (lambda p: p["steps"]["data"]["retry"].update(backoff_max_seconds=0), "backoff_max_seconds: at least backoff_"),
        (lambda p: p["steps"]["train"]["gpu"].update(count=1.5), "gpu > count: a whole number from 1"),
        (lambda p: p["steps"]["train"]["gpu"].update(vertex="nvidia-l4"), "gpu > vertex: a text is needed"),
        (lambda p: p["steps"]["train"]["tolerations"][0].update(effect="Never"), "effect: one of NoSchedule"),
        (lambda p: p["steps"]["train"]["tolerations"][0].update(operator="Equal"), "a value with operator Equal"),
        (lambda p: p["steps"]["train"].update(tolerations={"key": "x"}), "tolerations: a list is needed"),
        (lambda p: p["steps"]["train"].update(node_selector=["a"]), "node_selector: a mapping is needed"),
        (lambda p: p.update(volumes=[{"claim": "c", "path": "data"}]), r"volumes\[0\] > path: an absolute path"),
        (lambda p: p["images"].update(data="a b"), "images > data: an image name"),
    ],
)
def test_a_wrong_entry_is_named_with_its_place(tmp_path: Path, change: Callable[..., Any], says: str) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(InputError, match=says) as error:
        load_profile(path, "prod")  # every profile is checked, not only the one that is asked for
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("profile", ["test", "prod"])
def test_a_tag_is_refused_where_results_must_not_be_stale(tmp_path: Path, profile: str) -> None:
    path = changed(tmp_path, lambda p: p["images"].update(trainer="registry/trainer:1.2"), profile)
    with pytest.raises(InputError, match=f"profile {profile} takes a digest .* reuses the cached results"):
        load_profile(path, "dev")


def test_a_missing_file_profile_or_syntax_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_profile(tmp_path / "no.yaml", "dev")
    with pytest.raises(InputError, match="there is no profile 'live'; there are dev, local-cluster, test, prod"):
        load_profile(SETTINGS, "live")
    (tmp_path / "bad.yaml").write_text("profiles: [")
    with pytest.raises(InputError, match="not a YAML file") as error:
        load_profile(tmp_path / "bad.yaml", "dev")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("provider", "label", "taints"),
    [
        ("gke", "cloud.google.com/gke-spot", 1),
        ("eks", "eks.amazonaws.com/capacityType", 0),
        ("karpenter", "karpenter.sh/capacity-type", 0),
        ("aks", "kubernetes.azure.com/scalesetpriority", 1),
    ],
)
def test_spot_stands_for_the_labels_and_taints_of_a_provider(
    tmp_path: Path, provider: str, label: str, taints: int
) -> None:
    path = changed(tmp_path, lambda p: p["steps"]["train"].update(spot=provider))
    step = load_profile(path, "dev").steps["train"]
    regular = load_profile(SETTINGS, "dev").steps["train"]
    assert step.spot == provider
    assert set(step.node_selector) - set(regular.node_selector) == {label}
    assert len(step.tolerations) == len(regular.tolerations) + taints
    assert regular.spot is None


def test_an_unknown_provider_of_spot_machines_is_refused(tmp_path: Path) -> None:
    for value in (True, "azure"):
        path = changed(tmp_path, lambda p, value=value: p["steps"]["train"].update(spot=value))
        with pytest.raises(InputError, match="spot: one of false, gke, eks, karpenter, aks is needed"):
            load_profile(path, "dev")


def test_an_engine_that_is_none_is_refused(tmp_path: Path) -> None:
    assert load_profile(changed(tmp_path, lambda p: p.update(engine="jax")), "dev").engine == "jax"
    with pytest.raises(InputError, match="engine: one of tensorflow, jax is needed; it is 'torch'"):
        load_profile(changed(tmp_path, lambda p: p.update(engine="torch")), "dev")
