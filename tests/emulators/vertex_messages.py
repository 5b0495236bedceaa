"""What the emulators of Vertex AI share: requests as the messages of `aiplatform_v1`, and its errors."""

from typing import Any

from google.protobuf import json_format
from plumbing import HttpError

PARENT = r"projects/[a-z][a-z0-9-]*/locations/[a-z]+-[a-z]+[0-9]"
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
          408: "DEADLINE_EXCEEDED", 502: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
          409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}  # fmt: skip


def parsed(body: bytes, kind: Any) -> Any:
    """The request as its message; what is not in the message is an error."""
    try:
        return kind(json_format.Parse(body, kind.pb(kind())))
    except json_format.ParseError as error:
        raise HttpError(400, f"Invalid JSON payload received. {error}") from error


def as_json(message: Any) -> dict[str, Any]:
    """A message as the service sends it."""
    content: dict[str, Any] = json_format.MessageToDict(type(message).pb(message))
    return content


def error_body(status: int, message: str) -> Any:
    return {"error": {"code": status, "message": message, "status": STATUS[status]}}
