"""A NetVLAD of the paper's size against what the reference computed; `test_parity.py` tries the small ones."""

from pathlib import Path

from tests.models.test_parity import agrees, printed


def test_a_model_of_full_size_predicts_and_learns_as_the_reference(golden: Path) -> None:
    (line,) = printed([golden / "netvlad_192_1200_gated.npz"])
    agrees(line)
