"""One attempt's time: a deadline that holds in every phase, kept by a watchdog."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from ldm3d.fetch.outcome import Outcome


class Exchange:
    """One request and its answer, from DNS to the last byte.

    Socket timeouts bound silence, not duration: one byte every few seconds, in the TLS handshake, the headers or the
    body, keeps a reader waiting for ever. So at the deadline the watchdog shuts the connection down under the reader.

    Args:
        timeout_s: longest wait for one step (DNS, connect, one read), in seconds.
        budget_s: seconds for all of it.
    """

    def __init__(self, timeout_s: float, budget_s: float) -> None:
        self.expired = False
        self.outcome: Outcome | None = None
        self._timeout_s, self._budget_s = timeout_s, budget_s
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.begin()

    def begin(self) -> None:
        """Time runs from now on. Called by the thread that takes the exchange up: until then it waits for us."""
        self.started = time.monotonic()
        self.deadline = self.started + self._budget_s

    def patience(self) -> float:
        """Seconds that the next step may take. Raises TimeoutError when there are none left."""
        left = self.deadline - time.monotonic()
        if self.expired or left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(self._timeout_s, left)

    def watch(self, connection: socket.socket) -> None:
        """Put `connection` under the deadline.

        A duplicate of its descriptor is kept: TLS takes the original over, http.client closes it, and its number may
        be another connection's by the time the watchdog fires.
        """
        with self._lock:
            self._connection = connection.dup()
        if self.expired:  # while it was being made
            self.expire()

    def expire(self) -> None:
        """End the exchange now, whatever it is blocked in."""
        with self._lock:
            self.expired = True  # before the shutdown, or the reader would take it for the end of a body
            if self._connection is not None:
                with contextlib.suppress(OSError):  # not connected any more
                    self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class Watchdog:
    """One thread that expires every exchange whose deadline has passed."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()
        self._changed = threading.Condition()
        self._wakes_at = float("inf")
        self._closed = False
        threading.Thread(target=self._run, name="fetch-watchdog", daemon=True).start()

    @contextlib.contextmanager
    def guard(self, exchange: Exchange) -> Iterator[None]:
        """Keep `exchange` to its deadline, and release its connection at the end."""
        with self._changed:
            self._exchanges.add(exchange)
            if exchange.deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._exchanges.discard(exchange)
            exchange.close()

    def close(self) -> None:
        """Stop the thread. Exchanges still under way lose their guard, so end them first."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for exchange in [exchange for exchange in self._exchanges if exchange.deadline <= now]:
                    exchange.expire()
                    self._exchanges.discard(exchange)
                self._wakes_at = min((exchange.deadline for exchange in self._exchanges), default=float("inf"))
                self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)
