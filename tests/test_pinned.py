"""Variables by which a user's environment would change numbers."""

import os
import sys
from types import ModuleType

import pytest

from yt8m.errors import InputError
from yt8m.quiet import pinned_environment


@pytest.fixture(autouse=True)
def _before_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of a program that has just started, with a plain environment."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


@pytest.mark.parametrize(
    "name",
    ["NVIDIA_TF32_OVERRIDE", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS", "TF_CUDNN_DETERMINISTIC",
     "ONEDNN_MAX_CPU_ISA", "KERAS_MAX_EPOCHS"],
)  # fmt: skip
def test_what_chooses_other_arithmetic_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, "0")
    with pinned_environment():
        assert name not in os.environ
    assert name not in os.environ
    assert capsys.readouterr().err == (
        f"{name}=0 is passed over: it could change the numbers that TensorFlow computes\n"
    )


@pytest.mark.parametrize(
    "name",
    ["CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_CONFIG", "TF_CPP_MIN_LOG_LEVEL", "OMP_NUM_THREADS",
     "TF_NUM_INTRAOP_THREADS"],
)  # fmt: skip
def test_what_decides_nothing_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pinned_environment():
        assert os.environ[name] == "1"
    assert capsys.readouterr().err == ""


def test_of_the_flags_of_xla_the_harmless_ones_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_cuda_data_dir=/opt/cuda  --xla_cpu_enable_fast_math=true")
    for _ in range(2):
        with pinned_environment():
            assert os.environ["XLA_FLAGS"] == "--xla_gpu_cuda_data_dir=/opt/cuda"
    assert capsys.readouterr().err.count("passed over") == 1


def test_no_keras_json_is_read_or_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", "/somebody/else")
    with pinned_environment():
        home = os.environ["KERAS_HOME"]
        assert not os.path.exists(home)
        with pytest.raises(OSError, match="Not a directory"):
            os.makedirs(home)
    assert os.environ["KERAS_HOME"] == "/somebody/else"


@pytest.mark.parametrize("backend", ["torch", "jax", "no-such"])
def test_another_backend_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(InputError, match=f"^KERAS_BACKEND={backend}: .*; unset KERAS_BACKEND$"), pinned_environment():
        pass
    with pinned_environment(any_backend=True):
        assert os.environ["KERAS_BACKEND"] == backend


def test_what_tensorflow_has_read_already_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with (
        pytest.raises(InputError, match=r"^NVIDIA_TF32_OVERRIDE=0: .* unset NVIDIA_TF32_OVERRIDE"),
        pinned_environment(),
    ):
        pass
