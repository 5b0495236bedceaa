"""Where the shards of an index are."""

from yt8m import storage
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader.remote import RemoteShards, find_objects
from yt8m.loader.shards import LocalShards, Shards


def root_of(index: VideoIndex, source: str | None) -> str:
    """The folder or gs:// address that the shards' names are relative to: the source, or else the index's own.

    Raises:
        InputError: the index has labels alone.
    """
    if index.level == "labels":
        raise InputError("the index holds labels alone, no records; make one of the shards with `yt8m index`")
    return source or index.source_root


def open_shards(index: VideoIndex, source: str | None = None) -> Shards:
    """The shards that rows of an index lie in, on this machine or on gs://.

    Raises:
        InputError: the index has labels alone; a shard is missing or not what it was when it was indexed.
    """
    root = root_of(index, source)
    return RemoteShards(find_objects(index, root)) if storage.is_remote(root) else LocalShards(index, root)
