"""Each layer by itself in a functional Keras model, of every width: what it says it returns, saved and loaded."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.context_gating import ContextGating
from yt8m.models.dequantize import Dequantize
from yt8m.models.feature_scaling import FeatureScaling
from yt8m.models.frame_sampling import KINDS, FrameSampling
from yt8m.models.heads import LabelEmbeddingHead, LogisticHead, MixtureOfExperts
from yt8m.models.net_fv import NetFV
from yt8m.models.net_vlad import NetVLAD
from yt8m.models.next_vlad import NeXtVLAD
from yt8m.models.soft_assignment import SoftAssignment
from yt8m.models.soft_dbof import SoftDBoF
from yt8m.models.squeeze_excite import SqueezeExcite

D = 16
OF_FRAMES = {
    "NetVLAD": lambda dtype: NetVLAD(4, dtype=dtype),
    "LightVLAD": lambda dtype: NetVLAD(4, centres=False, dtype=dtype),
    "NetFV, coupled": lambda dtype: NetFV(4, dtype=dtype),
    "NetFV, free": lambda dtype: NetFV(4, coupling=None, dtype=dtype),
    "NeXtVLAD": lambda dtype: NeXtVLAD(4, groups=4, dtype=dtype),
    "SoftDBoF": lambda dtype: SoftDBoF(4, max_pooling=True, dtype=dtype),
    "SoftAssignment": lambda dtype: SoftAssignment(4, dtype=dtype),
    "BatchNorm": lambda dtype: BatchNorm(dtype=dtype),
    "Dequantize": lambda dtype: Dequantize(dtype=dtype),
}
OF_VECTORS = {
    "ContextGating": lambda dtype: ContextGating(dtype=dtype),
    "SqueezeExcite": lambda dtype: SqueezeExcite(4, dtype=dtype),
    "FeatureScaling": lambda dtype: FeatureScaling(32.0, dtype=dtype),
    "MixtureOfExperts": lambda dtype: MixtureOfExperts(5, gate_rank=2, probability_gating=True, dtype=dtype),
    "LogisticHead": lambda dtype: LogisticHead(5, dtype=dtype),
    "LabelEmbeddingHead": lambda dtype: LabelEmbeddingHead(5, dtype=dtype),
}


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16", "float16"])
@pytest.mark.parametrize("name", [*OF_FRAMES, *OF_VECTORS])
def test_a_layer_alone_returns_what_it_says_and_comes_back(name: str, dtype: str, tmp_path: Path) -> None:
    make: Callable[[str], keras.layers.Layer] = {**OF_FRAMES, **OF_VECTORS}[name]
    shape = (None, D) if name in OF_FRAMES else (D,)
    symbolic = keras.Input(shape)
    said = make(dtype)(symbolic)
    model = keras.Model(symbolic, said)
    x = np.random.RandomState(0).rand(3, *((7, D) if name in OF_FRAMES else (D,))).astype(np.float32)
    y = model(x)
    assert said.dtype == keras.backend.standardize_dtype(y.dtype) == "float32"
    assert all(size in (None, real) for size, real in zip(said.shape, y.shape, strict=True))
    assert np.isfinite(y).all()
    model.save(tmp_path / "layer.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "layer.keras")(x), y)


@pytest.mark.parametrize("kind", KINDS)
def test_frame_sampling_says_its_types(kind: str) -> None:
    inputs = keras.Input((None, D), dtype="uint8"), keras.Input((), dtype="int32")
    frames, count = FrameSampling(kind, 4)(*inputs)
    real = keras.Model(inputs, (frames, count))([np.ones((3, 7, D), np.uint8), np.array([7, 2, 1], np.int32)])
    for said, given in zip((frames, count), real, strict=True):
        assert said.dtype == keras.backend.standardize_dtype(given.dtype)
        assert said.shape[1:] == given.shape[1:]
