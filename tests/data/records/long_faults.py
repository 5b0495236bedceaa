"""Thousands of damaged shards, as `test_faults.py` tries a few."""

from pathlib import Path

import pytest

from tests.data.records.test_faults import KINDS, LEVELS, Kind, Shard, damage, real_shard

MUTATIONS = 320  # of a kind


@pytest.fixture(scope="module", params=LEVELS)
def shard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shard:
    return real_shard(tmp_path_factory.mktemp("shard"), request.param)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_damage_is_refused_or_harmless(shard: Shard, kind: Kind, tmp_path: Path) -> None:
    damage(shard, kind, MUTATIONS, tmp_path)
