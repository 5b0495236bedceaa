"""Tokens: read from where they are when they are needed, checked, never shown."""

from pathlib import Path

import pytest

from targets.tokens import GoogleToken, Token, find_token
from yt8m.errors import InputError


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YT8M_TOKEN", raising=False)
    monkeypatch.delenv("KF_PIPELINES_SA_TOKEN_PATH", raising=False)


def test_a_file_goes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_token(None) is None
    monkeypatch.setenv("YT8M_TOKEN", " of-variable ")
    found = find_token(None)
    assert found is not None
    assert found.read() == "of-variable"
    file = tmp_path / "token"
    file.write_text("of-file\n")
    found = find_token(file)
    assert found is not None
    assert found.read() == "of-file"


def test_a_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    token = Token(file)
    google = GoogleToken(token)
    file.write_text("two")
    assert (token.read(), google.token) == ("two", "one")
    google.refresh(None)
    assert google.token == "two"


@pytest.mark.parametrize("text", ["", "\n", "two words", "first\nsecond"])
def test_a_file_without_one_token_is_one_line_that_does_not_show_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(InputError, match="one token is needed") as error:
        find_token(file)
    assert "words" not in str(error.value)
    assert "second" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--token-file .*none: it cannot be read"):
        find_token(tmp_path / "none")


def test_in_a_pod_the_projected_token_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--in-cluster: there is no projected token at /var/run"):
        find_token(None, in_cluster=True)
    (tmp_path / "token").write_text("projected")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    found = find_token(None, in_cluster=True)
    assert found is not None
    assert found.read() == "projected"


def test_a_token_that_a_service_repeats_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    assert Token(tmp_path / "token").hide("bad identity Bearer secret") == "bad identity Bearer (token)"
