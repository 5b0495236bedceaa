"""Variables by which a user's environment would change numbers."""

import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

from yt8m.errors import InputError
from yt8m.quiet import pinned_environment


@pytest.fixture(autouse=True)
def _before_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of a program that has just started, with a plain environment."""
    for name in ("keras", "tensorflow", "jax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


@pytest.mark.parametrize(
    "name",
    ["NVIDIA_TF32_OVERRIDE", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS", "TF_CUDNN_DETERMINISTIC",
     "ONEDNN_MAX_CPU_ISA", "KERAS_MAX_EPOCHS", "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION"],
)  # fmt: skip
def test_what_chooses_other_arithmetic_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, "0")
    with pinned_environment():
        assert name not in os.environ
    assert name not in os.environ
    assert capsys.readouterr().err == (f"{name}=0 is passed over: it could change the numbers that are computed\n")


@pytest.mark.parametrize(
    "name",
    ["CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_CONFIG", "TF_CPP_MIN_LOG_LEVEL", "OMP_NUM_THREADS",
     "TF_NUM_INTRAOP_THREADS", "JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR"],
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
    harmless = "--xla_gpu_cuda_data_dir=/opt/cuda --xla_force_host_platform_device_count=4"
    monkeypatch.setenv("XLA_FLAGS", f"--xla_cpu_enable_fast_math=true  {harmless}")
    for _ in range(2):
        with pinned_environment():
            assert os.environ["XLA_FLAGS"] == harmless
    assert capsys.readouterr().err.count("passed over") == 1


def test_no_keras_json_is_read_or_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", "/somebody/else")
    with pinned_environment():
        home = os.environ["KERAS_HOME"]
        assert not os.path.exists(home)
        with pytest.raises(OSError, match="Not a directory"):
            os.makedirs(home)
    assert os.environ["KERAS_HOME"] == "/somebody/else"


@pytest.mark.parametrize("backend", ["torch", "no-such"])
def test_another_backend_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with (
        pytest.raises(InputError, match=f"^KERAS_BACKEND={backend}: .*, or unset KERAS_BACKEND$"),
        pinned_environment(),
    ):
        pass


@pytest.mark.parametrize(
    ("said", "wanted", "engine"),
    [(None, None, "tensorflow"), (None, "jax", "jax"), ("jax", None, "jax"), ("jax", "jax", "jax")],
)
def test_keras_finds_the_engine_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, said: str | None, wanted: str | None, engine: str
) -> None:
    if said:
        monkeypatch.setenv("KERAS_BACKEND", said)
    with pinned_environment(wanted):
        assert os.environ["KERAS_BACKEND"] == engine
    assert os.environ.get("KERAS_BACKEND") == said


def test_two_wishes_for_an_engine_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(InputError, match=r"^engine jax is asked for, and KERAS_BACKEND=tensorflow; say the same"):
        pinned_environment("jax").__enter__()


def test_an_engine_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^engine jax: jax is not installed here; .* with KERAS_BACKEND$"):
        pinned_environment("jax").__enter__()


def test_a_process_that_computes_by_one_engine_takes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = ModuleType("keras")
    keras.backend = SimpleNamespace(backend=lambda: "jax")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keras", keras)
    with pinned_environment():
        assert os.environ["KERAS_BACKEND"] == "jax"
    with pytest.raises(InputError, match=r"^engine tensorflow: this process computes by jax already; set"):
        pinned_environment("tensorflow").__enter__()


def test_what_an_engine_has_read_already_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with (
        pytest.raises(InputError, match=r"^NVIDIA_TF32_OVERRIDE=0: .* unset NVIDIA_TF32_OVERRIDE"),
        pinned_environment(),
    ):
        pass
