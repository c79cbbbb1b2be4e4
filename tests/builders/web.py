"""A web on loopback whose servers misbehave on request, and the settings to fetch from it quickly."""

import contextlib
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BODY = bytes(range(256)) * 400  # 102,400 bytes
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
QUICK = {
    "timeout_s": 2.0,
    "deadline_s": 5.0,
    "max_bytes": 2 * len(BODY),
    "backoff_s": 0.02,
    "threads": 8,
    "retries": 2,
    "breaker_failures": 100,
    "allow_addresses": ("127.0.0.1", "127.0.0.3"),
}


class Web:
    """Three loopback hosts that do what the path says, and record who was asked for what, and how much at once."""

    def __init__(self):
        self.raw = b""
        self.asked = []
        self.headers = []
        self.active, self.peak = Counter(), Counter()
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.servers = {}
        for host in HOSTS:
            server = ThreadingHTTPServer((host, 0), Site)
            server.web, server.daemon_threads = self, True
            self.servers[host] = server
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def port(self, host):
        return self.servers[host].server_port

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.port(host)}{path}"

    def asked_for(self, path):
        return [asked for asked in self.asked if asked[1].startswith(path)]

    def close(self):
        self.closing.set()
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


class Site(BaseHTTPRequestHandler):
    """`/name?key=value` does what the method `name` says."""

    def do_GET(self):
        web, host = self.server.web, self.server.server_address[0]
        with web.lock:
            web.asked.append((host, self.path))
            web.headers.append(dict(self.headers))
            web.active[host] += 1
            web.peak[host] = max(web.peak[host], web.active[host])
        parts = urlsplit(self.path)
        values = {key: value[0] for key, value in parse_qs(parts.query).items()}
        with contextlib.suppress(OSError):  # the client has hung up, as it should in most tests
            getattr(self, parts.path.strip("/").split("/")[0])(**values)
        with web.lock:
            web.active[host] -= 1

    def answer(self, status=200, body=BODY, **headers):
        self.send_response(int(status))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def ok(self, **_):
        self.answer()

    def sized(self):
        self.answer(Content_Length=str(len(BODY)))

    def slow(self, s, **_):
        self.server.web.closing.wait(float(s))
        self.answer(body=b"slow")

    def status(self, code, **headers):
        self.answer(code, b"", **headers)

    def tag(self, line):
        self.answer(body=b"tagged", X_Robots_Tag=line)

    def tags(self):
        self.send_response(200)
        self.send_header("X-Robots-Tag", "nofollow")
        self.send_header("X-Robots-Tag", "noai")
        self.end_headers()

    def to(self, url, **headers):
        self.answer(302, b"", Location=url, **headers)

    def late(self, s, url):
        self.server.web.closing.wait(float(s))
        self.to(url)

    def round(self, n):
        self.answer(302, b"", Location=f"/round?n={(int(n) + 1) % 3}")

    def far(self, n):
        self.answer(302, b"", Location=f"/far?n={int(n) - 1}" if int(n) else "/ok")

    def again(self, failures, status, **headers):
        """Fails `failures` times, then succeeds."""
        fails = len(self.server.web.asked_for("/again")) <= int(failures)
        self.answer(status if fails else 200, b"better", **headers)

    def short(self):
        self.answer(body=b"half", Content_Length="8")

    def short_chunk(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(body=b"10\r\nhalf", Transfer_Encoding="chunked")

    def chunks(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(body=b"4\r\nhalf\r\n4\r\nhalf\r\n0\r\n\r\n", Transfer_Encoding="chunked")

    def announces_much(self):
        self.answer(body=b"x", Content_Length=str(3 * len(BODY)))

    def sends_much(self):
        self.answer(body=3 * BODY)

    def empty(self):
        self.answer(body=b"", Content_Length="0")

    def gzip(self):
        self.answer(body=b"\x1f\x8b-not-unpacked", Content_Encoding="gzip")

    def raw(self):
        self.wfile.write(self.server.web.raw)

    def hold(self):
        """Sends the raw answer, and then nothing."""
        self.raw()
        self.server.web.closing.wait(20)

    def drip(self):
        """Sends the raw answer, and then one byte at a time, for ever."""
        self.raw()
        while not self.server.web.closing.wait(0.02):
            self.wfile.write(b"x")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def talker(greeting, drip):
    """A TCP server that does not speak HTTP: says its greeting to anyone, and then drips."""
    closing = threading.Event()

    def talk(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(greeting)
                    while drip and not closing.wait(0.02):
                        connection.sendall(drip)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=talk, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        closing.set()


def good(fetched):
    return fetched.reason == fetched.detail == ""
