"""A GPU that is asked for and is not there."""

import pytest

from yt8m.errors import InputError
from yt8m.models import devices


def test_without_a_wish_the_cpu_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "0"):
        monkeypatch.setenv(devices.GPUS, value)
        assert devices.check_devices().startswith(("the CPU (", "1 GPU", "2 GPU"))


def test_a_gpu_that_is_asked_for_and_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.GPUS, "99")
    monkeypatch.setattr(devices, "why_no_gpu", lambda: "no driver")
    with pytest.raises(
        InputError, match=r"^YT8M_GPUS=99 asks for 99 GPUs, and TensorFlow can use \d+ here: no driver; "
    ):
        devices.check_devices()


def test_what_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.GPUS, "all")
    with pytest.raises(InputError, match=r"^YT8M_GPUS=all: a number of GPUs is needed"):
        devices.check_devices()


def test_the_notices_lose_what_stands_before_them() -> None:
    for prefix in (
        "2026-11-28 02:33:58.123456: E external/local_xla/xla/stream_executor/cuda/cuda_platform.cc:51] ",
        "E0000 00:00:1795833147.629295    8572 cuda_platform.cc:51] ",
    ):
        text = "failed call to cuInit: INTERNAL: CUDA error"
        assert devices.PREFIX.sub("", prefix + text) == text
