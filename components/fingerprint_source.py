"""Step fingerprint-source."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def fingerprint_source(source: str) -> str:
    """Fingerprint the shards of a source, so that a new or changed shard is noticed; never cached.

    Args:
        source: Folder of shards, glob, or gs:// address.

    Returns:
        Output: Fingerprint of the shards' names, sizes and content.
    """
    from yt8m.records.listing import fingerprint_source

    return fingerprint_source(source)
