"""A server that does not accept a connection, or does not speak TLS, fails its URL with that reason."""

import socket

from ldm3d.reject import Reason
from tests.builders.web import talker


def test_a_server_without_tls_is_no_https_server(fetch):
    with talker(b"HTTP/1.0 400 Bad Request\r\n\r\n", b"") as port:
        fetched = fetch(f"https://127.0.0.1:{port}/")
    assert (fetched.reason, fetched.attempts) == (Reason.CONNECTION_FAILED, 1)
    assert fetched.detail.startswith("TLS: ")


def test_a_closed_port_is_a_failed_connection(fetch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fetched = fetch(f"http://127.0.0.1:{port}/")
    assert (fetched.reason, fetched.detail, fetched.attempts) == (Reason.CONNECTION_FAILED, "Connection refused", 3)
