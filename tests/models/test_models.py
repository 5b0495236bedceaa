"""Every model by name: inputs of both levels, narrow types, compilation, configuration, weights, padding, learning."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.conftest import SMALL
from yt8m import models
from yt8m.errors import InputError
from yt8m.models import losses

CLASSES = 12
Videos = dict[str, np.ndarray]
Small = dict[str, dict[str, Any]]
NAMES = models.names()
COMPILED_IN_LONG = ["logistic", "moe", "dbof", "netfv", "nextvlad", "nextvlad-mixture"]
NO_DROPOUT: Small = {
    "mlp": {"input_dropout": 0.0, "dropout": 0.0},
    **{name: {"dropout": 0.0} for name in ("netvlad", "nextvlad", "nextvlad-mixture")},
}


def made(name: str, small: Small, dtype: str | None = None) -> models.Tagger:
    return models.create(name, CLASSES, dtype=dtype, **small[name])


@cache
def shared(name: str, dtype: str = "float32") -> models.Tagger:
    """A small model that several tests look at and none changes."""
    return made(name, SMALL, dtype)


def test_the_names() -> None:
    assert NAMES == ["logistic", "moe", "mlp", "dbof", "netvlad", "netfv", "nextvlad", "nextvlad-mixture"]


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_of_quantised_frames_and_of_video_level_features(name: str, small: Small, videos: Videos) -> None:
    model = made(name, small)
    features = {
        "rgb": np.random.RandomState(0).randn(3, 1, 1024).astype(np.float32),
        "audio": np.random.RandomState(1).randn(3, 1, 128).astype(np.float32),
        "num_frames": np.ones(3, np.int32),
    }
    for batch, training in ((videos, False), (videos, True), (features, False), (features, True)):
        p = model(batch, training=training)
        assert p.dtype == tf.float32
        assert p.shape == (len(batch["rgb"]), CLASSES)
        assert (p.numpy() >= 0).all()
        assert (p.numpy() <= 1).all()


@pytest.mark.parametrize("name", ["netvlad", "netfv", "dbof", "nextvlad"])
def test_the_wide_hidden_layer_multiplies_in_float32_where_the_others_do_in_bfloat16(name: str, small: Small) -> None:
    model = made(name, small, "mixed_bfloat16")
    computed = {
        layer.name: layer.compute_dtype for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dense)
    }
    assert computed.pop("hidden") == "float32"
    assert set(computed.values()) == {"bfloat16"}


@pytest.mark.parametrize(("name", "dtype"), [
    *((name, dtype) for name in ("netvlad", "nextvlad") for dtype in ("mixed_float16", "bfloat16")),
    *((name, dtype) for name in NAMES for dtype in ("mixed_bfloat16", "float16")),
])  # fmt: skip
def test_narrow_types_stay_close_to_float32(name: str, dtype: str, small: Small, videos: Videos) -> None:
    wide, narrow = shared(name), made(name, small, dtype)
    narrow.set_weights(wide.get_weights())
    p = narrow(videos, training=False)
    assert p.dtype == tf.float32
    np.testing.assert_allclose(p, wide(videos, training=False), atol=0.02 if dtype.endswith("bfloat16") else 0.005)
    assert np.isfinite(narrow(videos, training=True)).all()
    assert all(np.isfinite(float(loss)) for loss in narrow.losses)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COMPILED_IN_LONG])
def test_compiled_and_not_it_predicts_and_learns_the_same(
    name: str, small: Small, videos: Videos, labels: np.ndarray
) -> None:
    """`long_models.py` tries the others."""
    compare_with_compiled(name, small, videos, labels)


def compare_with_compiled(name: str, small: Small, videos: Videos, labels: np.ndarray) -> None:
    model = made(name, {**small, name: {**small[name], **NO_DROPOUT.get(name, {})}})
    model.adapt(videos, labels)
    inputs = {name: tf.constant(values) for name, values in videos.items()}

    def gradients() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            predictions = model(inputs, training=True)
            total = losses.create("cross_entropy")(labels, predictions) + sum(model.losses)
        return total, tape.gradient(total, [variable.value for variable in model.trainable_variables])

    before, eager = gradients()
    compiled_before, compiled = tf.function(gradients, jit_compile=True)()
    assert float(compiled_before) == pytest.approx(float(before), rel=1e-3)
    largest = max(float(tf.norm(gradient)) for gradient in eager)
    for one, two in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(one, two, atol=0.01 * largest)
    optimizer = keras.optimizers.Adam(0.01, epsilon=1e-8, clipnorm=1.0)
    for _ in range(5):
        optimizer.apply(gradients()[1], model.trainable_variables)
    assert float(gradients()[0]) < 0.9 * float(before)


@pytest.mark.parametrize("name", NAMES)
def test_configuration_and_weights_come_back(name: str, small: Small, videos: Videos, tmp_path: Path) -> None:
    model = made(name, small)
    model.adapt(videos, np.eye(6, CLASSES, dtype=np.uint8))
    model.save_weights(tmp_path / "m.weights.h5")
    again = type(model).from_config(model.get_config())
    again.build()
    assert again.get_config() == model.get_config()
    again.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(again(videos, training=False), model(videos, training=False))


@pytest.mark.parametrize(("name", "dtype"), [
    *((name, dtype) for name in ("netvlad", "nextvlad-mixture") for dtype in ("mixed_bfloat16", "float16")),
    *((name, "float32") for name in NAMES),
])  # fmt: skip
def test_a_whole_model_is_saved_and_loaded(name: str, dtype: str, videos: Videos, tmp_path: Path) -> None:
    model = shared(name, dtype)
    expected = model(videos, training=False)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.dtype_policy.name == dtype
    np.testing.assert_array_equal(loaded(videos, training=False), expected)


@pytest.mark.parametrize("name", NAMES)
def test_layers_come_back_from_their_configuration(name: str) -> None:
    for layer in shared(name)._flatten_layers(include_self=False):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("name", NAMES)
def test_what_padding_holds_does_not_matter(name: str, videos: Videos) -> None:
    model = shared(name)
    dirty = {key: values.copy() for key, values in videos.items()}
    padding = np.arange(9) >= videos["num_frames"][:, None]
    dirty["rgb"][padding] = dirty["audio"][padding] = 200
    np.testing.assert_array_equal(model(dirty, training=False), model(videos, training=False))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "nextvlad-mixture"])
def test_more_padding_does_not_matter_in_evaluation(name: str, videos: Videos) -> None:
    model = shared(name)
    longer = {"num_frames": videos["num_frames"]}
    for stream in ("rgb", "audio"):
        longer[stream] = np.concatenate([videos[stream], np.zeros_like(videos[stream])], axis=1)
    np.testing.assert_allclose(model(longer, training=False), model(videos, training=False), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_without_frames_gives_numbers(name: str, videos: Videos) -> None:
    empty = {key: np.zeros_like(values) for key, values in videos.items()}
    assert np.isfinite(shared(name)(empty, training=False)).all()


@pytest.mark.parametrize("name", ["logistic", "moe"])
def test_frames_and_their_mean_are_the_same_video(name: str, videos: Videos) -> None:
    model = shared(name)
    mean = model.mean_features(videos, batch=4)
    features = {"rgb": mean[:, None, :1024], "audio": mean[:, None, 1024:], "num_frames": np.ones(6, np.int32)}
    np.testing.assert_allclose(model(features, training=False), model(videos, training=False), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_batch_and_frames_known_only_at_run_time(name: str, videos: Videos) -> None:
    model = shared(name)
    streams = {stream: tf.TensorSpec((None, None, size), tf.uint8) for stream, size in (("rgb", 1024), ("audio", 128))}
    signature = [{**streams, "num_frames": tf.TensorSpec((None,), tf.int32)}]
    traced = tf.function(lambda x: model(x, training=False), input_signature=signature)
    inputs = {name: tf.constant(values) for name, values in videos.items()}
    np.testing.assert_allclose(traced(inputs), model(videos, training=False), atol=1e-5)


def test_equal_seeds_give_equal_weights(small: Small) -> None:
    for one, two in zip(made("netvlad", small).get_weights(), made("netvlad", small).get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nope"}, "there is no model 'nope'; there are logistic, moe, mlp, dbof, netvlad, netfv, nextvlad"),
        ({"level": "shot"}, "there is no level 'shot'; there are frame, video"),
        ({"num_classes": 0}, "netvlad: the number of classes must be a whole number from 1, got 0"),
        ({"dtype": "float99"}, "there is no dtype 'float99'; use float32, mixed_bfloat16 or mixed_float16"),
        ({"cluster": 3}, "netvlad: there is no setting 'cluster'; it has head, mixtures, "),
        ({"clusters": "3"}, "netvlad: clusters must be a whole number, got '3'"),
        ({"clusters": 1}, "netvlad: clusters must be at least 2, got 1"),
        ({"clusters": True}, "netvlad: clusters must be a whole number, got True"),
        ({"head": "x"}, "netvlad: head must be one of moe, logistic, label-embedding, got 'x'"),
        ({"mixtures": 0}, "netvlad: mixtures must be at least 1, got 0"),
        ({"gate_rank": 0}, "netvlad: gate_rank must be at least 1, got 0"),
        ({"dropout": 1.0}, "netvlad: dropout must be at least 0 and below 1, got 1.0"),
        ({"l2": -1}, "netvlad: l2 must be at least 0, got -1.0"),
        ({"name": "nextvlad", "groups": 3}, "nextvlad: groups must be an even divisor of 512, got 3"),
        ({"name": "nextvlad-mixture", "branches": 1}, "nextvlad-mixture: branches must be at least 2, got 1"),
        ({"name": "mlp", "hidden": 0}, "mlp: hidden must be at least 1, got 0"),
        ({"name": "dbof", "clusters": 8}, "dbof: clusters must be at least 16, got 8"),
        ({"name": "logistic", "mixtures": 2}, "logistic: there is no setting 'mixtures'; it has l2"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        models.create(**{"name": "netvlad", "num_classes": CLASSES, **arguments})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
