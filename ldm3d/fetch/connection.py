"""Connections that go to checked addresses only, and are under the exchange's deadline from their first byte."""

import http.client
import socket
import ssl
import time
from typing import Any

from ldm3d.fetch.exchange import Exchange
from ldm3d.fetch.resolver import Resolver
from ldm3d.fetch.response import Response


class Connection(http.client.HTTPConnection):
    """Connects only to an admitted address of its host: the name is not resolved a second time."""

    response_class = Response

    def __init__(self, host: str, exchange: Exchange, resolver: Resolver, **options: Any) -> None:
        super().__init__(host, **options)
        self._exchange, self._resolver = exchange, resolver

    def connect(self) -> None:
        """Try the addresses in turn, each with its share of the time for connecting."""
        addresses = self._resolver.resolve(self.host, self._exchange.patience)
        until = time.monotonic() + self._exchange.patience()
        for place, address in enumerate(addresses):
            untried = len(addresses) - place
            try:
                self.sock = _connected(address, self.port, (until - time.monotonic()) / untried)
                break
            except OSError:
                if untried == 1:
                    raise
        self.sock.settimeout(self._exchange.patience())
        self._exchange.watch(self.sock)


class SecureConnection(Connection):
    """The same with TLS, whose handshake is also under the deadline."""

    default_port = 443

    def __init__(self, host: str, exchange: Exchange, resolver: Resolver, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(host, exchange, resolver, **options)
        self._tls = tls

    def connect(self) -> None:
        """Connect, then shake hands with a server that holds a certificate for the name."""
        super().connect()
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)


def _connected(address: str, port: int, timeout_s: float) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(max(timeout_s, 0.001))
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection
