"""Where a local run finds its three partitions: a user's own shards, or frame-level records made of the sample."""

from pathlib import Path

from yt8m.data.records.simulate import simulate
from yt8m.errors import InputError
from yt8m.progress import log
from yt8m.storage import list_files

PARTITIONS = ("train", "validate", "test")


def find_partitions(source: str) -> dict[str, str]:
    """Partition -> source: the folders SOURCE/train, SOURCE/validate, SOURCE/test, or SOURCE/train*.tfrecord etc.

    Raises:
        InputError: no such folder, or a partition is in neither place.
    """
    root = Path(source).expanduser().absolute()
    if not root.is_dir():
        raise InputError(f"{source}: no such folder; name the folder of the shards with --source")
    found = {}
    for partition in PARTITIONS:
        pattern = root / f"{partition}*.tfrecord"
        if (root / partition).is_dir():
            found[partition] = str(root / partition)
        elif list(root.glob(pattern.name)):
            found[partition] = str(pattern)
        else:
            raise InputError(f"{source}: neither a folder {partition} nor a file {pattern.name} is there; "
                             f"a run needs {', '.join(PARTITIONS)}")  # fmt: skip
        list_files(found[partition])
    return found


def simulate_sample(sample: Path, output: Path, max_frames: int) -> dict[str, str]:
    """Partition -> folder of frame-level records made of the sample's video-level ones; those made before are kept.

    Args:
        sample: folder with train, validate and test.
        output: folder for the same three.
        max_frames: frames of a video at most.
    """
    folders = {name: str(output / name) for name in PARTITIONS}
    log(f"frame-level records of the sample, up to {max_frames} frames a video: {output}")
    for name, folder in folders.items():
        simulate([str(sample / name)], folder, max_frames=max_frames)
    return folders
