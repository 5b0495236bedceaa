"""A message to whoever waits for a run: one POST of JSON.

The path of a webhook's address is its password, so nothing that is said about one names more than the host.
"""

import time
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import requests

from yt8m.errors import InputError

ATTEMPTS = 4
TIMEOUT_SECONDS = 20
FIRST_WAIT_SECONDS = 1.0
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
KEEPING_THE_MESSAGE = frozenset({307, 308})
MOST_REDIRECTS = 3


def check_address(address: str, what: str = "the webhook") -> None:
    """Whether a message can be sent to this address.

    Raises:
        InputError: it is no address of the web; the message begins with `what` and does not repeat the address.
    """
    parts = _parts(address)
    if parts is None or parts.scheme not in ("http", "https") or any(c.isspace() for c in address):
        raise InputError(f"{what}: an address is needed, such as https://hooks.example.com/...; what was given is none")


def post(address: str, message: dict[str, Any], *, first_wait: float = FIRST_WAIT_SECONDS) -> str | None:
    """Send a message; None when it has arrived, or else the host and why not. A passing fault is tried again.

    A redirect is followed on the same host alone, and where it keeps the message.
    """
    problem = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(first_wait * 2 ** (attempt - 1))
        problem, again = _try(address, message)
        if not again:
            break
    parts = _parts(address)
    return problem and f"{parts.hostname if parts else 'no address'}: {problem}"


def _try(address: str, message: dict[str, Any]) -> tuple[str | None, bool]:
    """What went wrong, if anything, and whether another attempt may help."""
    for _ in range(MOST_REDIRECTS):
        try:
            answer = requests.post(address, json=message, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            return type(error).__name__, isinstance(error, requests.ConnectionError | requests.Timeout)
        except ValueError as error:
            return type(error).__name__, False
        if answer.is_redirect and answer.status_code in KEEPING_THE_MESSAGE:
            there = urljoin(address, answer.headers["Location"])
            if not _same_host(address, there):
                return f"{_said(answer)}, to another host, which is not followed", False
            address = there
            continue
        if 200 <= answer.status_code < 300:
            return None, False
        return _said(answer), answer.status_code in TRY_AGAIN
    return f"more than {MOST_REDIRECTS - 1} redirects", False


def _said(answer: requests.Response) -> str:
    """The status in the standard's words; the service's own may repeat the address."""
    try:
        return f"HTTP {answer.status_code} {HTTPStatus(answer.status_code).phrase}"
    except ValueError:
        return f"HTTP {answer.status_code}"


def _same_host(address: str, other: str) -> bool:
    """Also of the same security: from https to http no secret goes."""
    here, there = _parts(address), _parts(other)
    if here is None or there is None:
        return False
    upgraded = (here.scheme, there.scheme) == ("http", "https")
    same_port = here.port == there.port or (upgraded and here.port in (None, 80) and there.port in (None, 443))
    return here.hostname == there.hostname and same_port and (here.scheme == there.scheme or upgraded)


def _parts(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:  # brackets without an end, a port that is no number
        return None
