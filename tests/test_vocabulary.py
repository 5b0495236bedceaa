"""The vocabulary: the real one, and clear errors for others."""

from pathlib import Path

import pytest

from yt8m.errors import InputError
from yt8m.vocabulary import read_vocabulary

SAMPLE = Path(__file__).parents[1] / "sample" / "vocabulary.csv"


def test_the_real_vocabulary() -> None:
    vocabulary = read_vocabulary(SAMPLE)
    assert len(vocabulary) == 3862
    assert vocabulary.names[:3] == ["Game", "Video game", "Vehicle"]
    assert vocabulary.verticals[0] == "Games"
    assert vocabulary.counts[0] == 788288
    assert vocabulary.counts.sum() == 11_711_620
    assert all(vocabulary.names)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Index,Name\n0,Game\n", "column TrainVideoCount is missing"),
        ("", "not a CSV file"),
        ("Index,TrainVideoCount,Name,Vertical1\n0,1,a,b\n2,1,a,b\n", "not 0, 1, 2"),
        ("Index,TrainVideoCount,Name,Vertical1\n", "not 0, 1, 2"),
        ("Index,TrainVideoCount,Name,Vertical1\n0,1,a,b\nx,1,a,b\n", "not 0, 1, 2"),
        *(
            (f"Index,TrainVideoCount,Name,Vertical1\n1,{count},a,b\n0,5,a,b\n", f"of label 1 is '{count}', a whole")
            for count in ("", "many", "1.5", "-3", "1e99", "inf", "nan")
        ),
        ("\x1f\x8b,\0\0", "v.csv: "),
    ],
)
def test_a_wrong_vocabulary_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_vocabulary(tmp_path / "v.csv")
