"""Training set -> batches: in a shuffled order that is arithmetic, with frames that stay uint8."""

from yt8m.loader.batches import Batches, prediction_batches, training_batches
from yt8m.loader.known import KnownRecords, Verify
from yt8m.loader.order import FrameSampling, epoch_order
from yt8m.loader.reader import PADDING, Batch, RecordReader
from yt8m.loader.staging import DEFAULT_STAGING, Staging

__all__ = [
    "DEFAULT_STAGING", "PADDING", "Batch", "Batches", "FrameSampling", "KnownRecords", "RecordReader", "Staging",
    "Verify", "epoch_order", "prediction_batches", "training_batches",
]  # fmt: skip
