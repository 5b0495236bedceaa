"""A message to whoever waits for a run: one POST of JSON."""

import time
from typing import Any

import requests

ATTEMPTS = 4
TIMEOUT_SECONDS = 20
FIRST_WAIT_SECONDS = 1.0
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


def post(address: str, message: dict[str, Any], *, first_wait: float = FIRST_WAIT_SECONDS) -> str | None:
    """Send a message; None when it has arrived, or else why not. A passing fault is tried again."""
    problem = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(first_wait * 2 ** (attempt - 1))
        try:
            answer = requests.post(address, json=message, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
            continue
        if answer.ok:
            return None
        problem = f"HTTP {answer.status_code} {answer.reason}"
        if answer.status_code not in TRY_AGAIN:
            return problem
    return problem
