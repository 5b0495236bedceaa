"""The data profile of the champion: kept in the registry by the fingerprint of the index that it describes."""

from yt8m.checks.profile import read_profile
from yt8m.registry.champions import Registry
from yt8m.registry.manifest import MANIFEST
from yt8m.storage import StrPath, exists, read_json, write_json

PROFILES = "profiles"


def keep_profile(registry: StrPath, profile: StrPath) -> str:
    """Keep the profile of a train partition in a registry, in place of one of an older release; returns its address."""
    content = read_profile(profile)
    address = Registry(registry).path(PROFILES, f"{content['index']}.json")
    if not exists(address) or read_json(address) != content:
        write_json(address, content)
    return address


def champion_profile(registry: StrPath) -> str | None:
    """Address of the profile of the data that the champion was trained on; None when there is no such thing."""
    known = Registry(registry)
    champion = known.champion()
    if champion is None:
        return None
    manifest = read_json(known.path(*champion.model.split("/"), MANIFEST))
    address = known.path(PROFILES, f"{manifest['index_fingerprint']}.json")
    return address if exists(address) else None
