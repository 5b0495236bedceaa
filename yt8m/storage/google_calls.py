"""Calls of Google's services: which faults pass, how long they are waited for, and one line about what remains.

Storage, Vertex AI and the service that gives out tokens fail in the same ways, through several libraries (api_core,
auth, requests, urllib3), so all of their errors are told apart here. What passes by itself, by the services' own
documents (https://cloud.google.com/storage/docs/json_api/v1/status-codes, https://google.aip.dev/194): 408, 429, 5xx,
connections that break or do not answer, short and corrupt answers, a token service that does not answer. A 401 in the
middle of a run is a token that has just expired or that one server does not know yet: it is tried a few times.
"""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator

import requests
import urllib3
from google.api_core import exceptions, retry
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from yt8m.errors import InputError

GIVE_UP_SECONDS = 300.0
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 20.0
REFUSALS = 3  # of an identity, before it is taken for refused
PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
BROKEN = (
    ConnectionError, TimeoutError, http.client.HTTPException, DataCorruption, requests.ConnectionError,
    requests.Timeout, requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError,
    urllib3.exceptions.ProtocolError, urllib3.exceptions.TimeoutError, auth.TransportError, auth.TimeoutError,
)  # fmt: skip
ERRORS = (
    exceptions.GoogleAPIError, auth.GoogleAuthError, InvalidResponse, requests.RequestException,
    urllib3.exceptions.HTTPError, *BROKEN,
)  # fmt: skip
"""All that these services' clients raise."""


def is_passing(error: BaseException) -> bool:
    """Whether a fault goes by itself, so that the same call may work a moment later."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return False
    if isinstance(error, auth.RefreshError):
        return error.retryable or isinstance(error.__cause__, auth.TransportError)
    return status_of(error) in PASSING_STATUS or isinstance(error, BROKEN)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error tells of."""
    if isinstance(error, InvalidResponse):
        return int(error.response.status_code)
    if isinstance(error, auth.InvalidOperation):
        return 401  # no identity was given, was asked for, and cannot be renewed
    return int(error.code) if isinstance(error, exceptions.GoogleAPICallError) and error.code else None


def worth_trying(
    also: Callable[[BaseException], bool] = lambda error: False, given_up: threading.Event | None = None
) -> Callable[[BaseException], bool]:
    """Says of each fault of one call, in turn, whether to try again: what passes, and a few refusals of the identity.

    Args:
        also: what else is tried again.
        given_up: once it is set nothing is.
    """
    refusals = 0

    def is_worth_it(error: BaseException) -> bool:
        nonlocal refusals
        if given_up is not None and given_up.is_set():
            return False
        refusals += status_of(error) == 401
        return is_passing(error) or (status_of(error) == 401 and refusals < REFUSALS) or also(error)

    return is_worth_it


def patience(
    also: Callable[[BaseException], bool] = lambda error: False, given_up: threading.Event | None = None
) -> retry.Retry:
    """How one call is tried, in the clients' own terms: waits that double, with jitter, for GIVE_UP_SECONDS in all.

    Args:
        also, given_up: see `worth_trying`.
    """
    predicate = worth_trying(also, given_up)
    return retry.Retry(
        predicate=predicate, initial=FIRST_WAIT_SECONDS, maximum=LONGEST_WAIT_SECONDS, multiplier=2.0,
        timeout=GIVE_UP_SECONDS,
    )  # fmt: skip


@contextlib.contextmanager
def explained(where: str, role: str) -> Iterator[None]:
    """Turn what a client raises into one line.

    Args:
        where: the address that was called.
        role: what an identity needs there.

    Raises:
        InputError: where it happened, the cause, and a remedy.
    """
    try:
        yield
    except ERRORS as error:
        raise InputError(f"{where}: {_explanation(error, role)}") from error


def _explanation(error: BaseException, role: str) -> str:
    cause = brief(error)
    status = status_of(error)
    if isinstance(error, exceptions.RetryError):
        return f"still failing after {GIVE_UP_SECONDS:.0f} s ({brief(error.cause or error)}); try again"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (f"the service's certificate cannot be verified ({cause}); see that the clock is right, and that a "
                "proxy's certificate is known here (REQUESTS_CA_BUNDLE)")  # fmt: skip
    if status == 401:
        return (f"the identity is refused (401: {cause}); renew it with `gcloud auth application-default login`, or "
                "set GOOGLE_APPLICATION_CREDENTIALS to a valid key file")  # fmt: skip
    if isinstance(error, auth.DefaultCredentialsError):
        return (
            "no Google Cloud credentials; run `gcloud auth application-default login`, or set"
            " GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"
        )
    if isinstance(error, auth.GoogleAuthError) and not is_passing(error):
        return (f"the credentials cannot be renewed ({cause}); run `gcloud auth application-default login` again, or "
                "see that the key's account still exists")  # fmt: skip
    if status == 403:
        return f"access denied ({cause}); give this identity {role}"
    if is_passing(error):
        return f"failed ({cause}); try again"
    return f"refused ({cause}); see that the address is right, and what it says of the cause"


def brief(error: object, length: int = 300) -> str:
    """An error as one line of limited length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= length else text[: length - 3] + "..."
