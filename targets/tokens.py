"""Access tokens: from a file or an environment variable, read when they are used, never shown.

A token is good for about an hour and a run takes longer, so a file is read anew for each request: whatever renews it
there (a projected service-account token, a cron job) keeps a waiting command going.
"""

import os
from pathlib import Path
from typing import Any

from google.auth import credentials
from kfp.client.token_credentials_base import TokenCredentialsBase

from yt8m.errors import InputError

VARIABLE = "YT8M_TOKEN"
IN_CLUSTER_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"
IN_CLUSTER_FILE = "/var/run/secrets/kubeflow/pipelines/token"


class Token:
    """A token that lies in a file, or else in the environment variable `YT8M_TOKEN`."""

    def __init__(self, file: Path | None):
        self._file = file

    def read(self) -> str:
        """The token as it is now.

        Raises:
            InputError: no such file, or no token in it.
        """
        if self._file is None:
            return os.environ[VARIABLE].strip()
        try:
            text = self._file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--token-file {self._file}: it cannot be read ({type(error).__name__}); name the file "
                             "that holds the token and nothing else") from error  # fmt: skip
        if not text or any(character.isspace() for character in text):
            raise InputError(f"--token-file {self._file}: one token is needed, on one line, and nothing else")
        return text

    def hide(self, text: str) -> str:
        """A text without the token, should a service have repeated it."""
        return text.replace(self.read(), "(token)")


def find_token(file: Path | None, *, in_cluster: bool = False) -> Token | None:
    """The token to use, read once to see that it is there; None without any.

    Args:
        file: that holds it.
        in_cluster: use the token that the cluster projects into this pod.

    Raises:
        InputError: a file that is missing or holds no token.
    """
    if in_cluster:
        file = Path(os.environ.get(IN_CLUSTER_VARIABLE, IN_CLUSTER_FILE))
        if not file.is_file():
            raise InputError(f"--in-cluster: there is no projected token at {file}; run this in a pod that mounts a "
                             "serviceAccountToken of audience pipelines.kubeflow.org there")  # fmt: skip
    if file is None and not os.environ.get(VARIABLE, "").strip():
        return None
    token = Token(file)
    token.read()
    return token


class KubeflowToken(TokenCredentialsBase):
    """A token for `kfp.Client`, which asks for it before each request."""

    def __init__(self, token: Token):
        self._token = token

    def refresh_api_key_hook(self, config: Any) -> None:
        """Put the token as it is now where the client takes it from."""
        config.api_key["authorization"] = self._token.read()


class GoogleToken(credentials.Credentials):
    """An access token for Google's clients, read anew when the service refuses it."""

    def __init__(self, token: Token):
        super().__init__()
        self._token = token
        self.token = token.read()

    def refresh(self, request: Any) -> None:
        """Read the token anew."""
        self.token = self._token.read()
