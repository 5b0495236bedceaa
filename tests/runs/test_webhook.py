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

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append((self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
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
    assert post(server.address, {}, first_wait=0.01) == "HTTP 403 Forbidden"
    assert len(server.messages) == 1


def test_it_gives_up_and_says_why(server: Server) -> None:
    server.statuses = [503] * 10
    assert post(server.address, {}, first_wait=0.01) == "HTTP 503 Service Unavailable"
    assert len(server.messages) == ATTEMPTS
    address = server.address
    server.shutdown()
    server.server_close()
    problem = post(address, {}, first_wait=0.01)
    assert problem
    assert problem.startswith("ConnectionError: ")
