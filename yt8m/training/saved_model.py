"""The SavedModel of a trained model: it takes raw frames and gives top labels with confidences, by TensorFlow alone.

Matrices may be stored in float16. They are cast when the SavedModel is loaded, by the initialiser that every loader
runs (Python's, a session's, a model server's), so that a request finds float32 weights.
"""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from yt8m.loader.order import MAX_FRAMES
from yt8m.models.float16 import can_narrow
from yt8m.models.frame_sampling import FrameSampling
from yt8m.models.tagger import AUDIO, RGB
from yt8m.prediction.top_k import TOP

SIGNATURE = "serving_default"


def write_saved_model(
    folder: Path, model: keras.Model, *, level: str, sampling: dict[str, Any], dtype: str, unique: str
) -> None:
    """Write a SavedModel with the one signature `serving_default`.

    A frame-level model takes `rgb` uint8 [B, T, 1024], `audio` uint8 [B, T, 128] (any T; the first 300 frames count)
    and `num_frames` int32 [B], how many of the T are real. A video-level one takes `rgb` float32 [B, 1024] and `audio`
    float32 [B, 128]. Both return `labels` int32 [B, K] and `confidences` float32 [B, K], descending; K is 20, or the
    number of classes if that is less.

    Args:
        folder: to write; must not exist.
        model: with its trained weights.
        level: `frame` or `video`.
        sampling: `{kind, count}`, how predictions choose frames.
        dtype: that matrices are stored in, `float32` or `float16` (to which they were rounded).
        unique: tells the weights from those of other models that a process may load.
    """
    served = tf.Module()
    narrow = [weight for weight in model.weights if dtype == "float16" and can_narrow(weight)]
    wide = [(weight, _Widened(weight, unique)) for weight in narrow]
    others = [weight.value for weight in model.weights if not any(weight is one for one in narrow)]
    served.weights = [*others, *(copy.narrow for _, copy in wide)]
    served.wide = [copy for _, copy in wide]
    served.serve = _serving(model, wide, level, sampling)
    tf.saved_model.save(served, str(folder), signatures={SIGNATURE: served.serve})


class _Widened(tf.saved_model.experimental.TrackableResource):
    """The float32 copy of a float16 variable: made on loading, never saved.

    Args:
        weight: whose values are saved in float16.
        unique: makes the copy's name unique in a process.
    """

    def __init__(self, weight: Any, unique: str):
        super().__init__()
        self._name, self.narrow = f"{unique}/{weight.path}", tf.Variable(tf.cast(weight.value, tf.float16))

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=self.narrow.shape, shared_name=self._name)

    def _initialize(self) -> None:
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=tf.cast(self.narrow, tf.float32))

    def read(self) -> Any:
        """The float32 values, once it is initialised."""
        value = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.float32)
        return tf.ensure_shape(value, self.narrow.shape)


def _serving(model: keras.Model, wide: list[tuple[Any, _Widened]], level: str, sampling: dict[str, Any]) -> Any:
    """The function of the signature. It holds the model in its closure, so that no Keras object is saved."""

    def top_labels(inputs: dict[str, Any]) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=[(weight, copy.read()) for weight, copy in wide]):
            scores = model(inputs, training=False)
        confidences, labels = tf.math.top_k(scores, min(TOP, model.num_classes))
        return {"labels": labels, "confidences": confidences}

    chosen = FrameSampling(**sampling)

    def frame_level(rgb: Any, audio: Any, num_frames: Any) -> dict[str, Any]:
        limit = tf.minimum(tf.shape(rgb)[1], MAX_FRAMES)
        real = tf.clip_by_value(num_frames, 1, limit)
        frames, count = chosen(rgb, real)
        return top_labels({"rgb": frames, "audio": chosen(audio, real)[0], "num_frames": count})

    def video_level(rgb: Any, audio: Any) -> dict[str, Any]:
        ones = tf.ones(tf.shape(rgb)[:1], tf.int32)
        return top_labels({"rgb": rgb[:, None], "audio": audio[:, None], "num_frames": ones})

    if level == "video":
        return tf.function(video_level, input_signature=[_spec(RGB, "rgb"), _spec(AUDIO, "audio")], autograph=False)
    counts = tf.TensorSpec((None,), tf.int32, "num_frames")
    signature = [_frames(RGB, "rgb"), _frames(AUDIO, "audio"), counts]
    return tf.function(frame_level, input_signature=signature, autograph=False)


def _spec(size: int, name: str) -> tf.TensorSpec:
    return tf.TensorSpec((None, size), tf.float32, name)


def _frames(size: int, name: str) -> tf.TensorSpec:
    return tf.TensorSpec((None, None, size), tf.uint8, name)
