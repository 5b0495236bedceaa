"""The webhook against a server of its own: delivered, tried again, given up."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from yt8m.runs.webhook import ATTEMPTS, post


class Server(ThreadingHTTPServer):
    """Answers with the given statuses in turn, then 200; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.messages: list[Any] = []
        self.locations: list[str] = []
        self.paths: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/s3cret"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append((self.headers["Content-Type"], json.loads(body)))
        self.server.paths.append(self.path)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200, f"you asked {self.path}")
        if self.server.locations:
            self.send_header("Location", self.server.locations.pop(0))
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_message_arrives_as_json(server: Server) -> None:
    assert post(server.address, {"text": "Ende gut"}) is None
    assert server.messages == [("application/json", {"text": "Ende gut"})]


def test_a_passing_fault_is_tried_again(server: Server) -> None:
    server.statuses = [503, 429]
    assert post(server.address, {}, first_wait=0.01) is None
    assert len(server.messages) == 3


def test_a_refusal_is_final_and_named(server: Server) -> None:
    server.statuses = [403]
    assert post(server.address, {}, first_wait=0.01) == "127.0.0.1: HTTP 403 Forbidden"
    assert len(server.messages) == 1


def test_it_gives_up_and_says_why(server: Server) -> None:
    server.statuses = [503] * 10
    assert post(server.address, {}, first_wait=0.01) == "127.0.0.1: HTTP 503 Service Unavailable"
    assert len(server.messages) == ATTEMPTS
    address = server.address
    server.shutdown()
    server.server_close()
    problem = post(address, {}, first_wait=0.01)
    assert problem == "127.0.0.1: ConnectionError"


def test_a_redirect_is_followed_on_the_same_host_with_the_message(server: Server) -> None:
    server.statuses, server.locations = [308], ["/moved"]
    assert post(server.address, {"text": "a"}) is None
    assert server.paths == ["/s3cret", "/moved"]
    assert [message for _, message in server.messages] == [{"text": "a"}] * 2


@pytest.mark.parametrize("to", ["http://localhost:{port}/s3cret", "http://127.0.0.1:1/s3cret", "ftp://127.0.0.1/x"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_to_another_host_and_none_loses_the_message(server: Server, to: str, status: int) -> None:
    server.statuses, server.locations = [status], [to.format(port=server.server_port)]
    problem = post(server.address, {}, first_wait=0.01)
    assert problem
    assert problem.startswith(f"127.0.0.1: HTTP {status} ")
    assert server.paths == ["/s3cret"]


def test_a_redirect_in_a_circle_ends(server: Server) -> None:
    server.statuses, server.locations = [307] * 9, ["/s3cret"] * 9
    assert post(server.address, {}, first_wait=0.01) == "127.0.0.1: more than 2 redirects"


@pytest.mark.parametrize("address", ["http://[::1/s3cret", "s3cret", "http:///s3cret", "http://127.0.0.1:1/s3cret"])
def test_nothing_that_is_said_has_more_of_the_address_than_the_host(address: str) -> None:
    problem = post(address, {}, first_wait=0.01)
    assert problem
    assert "s3cret" not in problem
