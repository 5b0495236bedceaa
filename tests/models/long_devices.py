"""Why there is no GPU, as TensorFlow says it in a process of its own."""

import pytest

from yt8m.models import devices


def test_the_reason_is_tensorflows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.why_no_gpu() != "it says no reason"
