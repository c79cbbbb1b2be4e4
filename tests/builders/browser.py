"""A headless Chromium, driven through pipes: nothing listens on a port, and nothing asks a network."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
DRAWS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu")  # in software, as CI has no GPU
PATIENCE = 60.0  # seconds


class Browser:
    """One page of a browser of its own, whose requests and complaints are noted down."""

    def __init__(self, *flags: str, size: tuple[int, int] = (640, 480), phone: bool = False) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._size, self._phone, self._flags = size, phone, flags
        self._number, self._rest, self._loads = 0, b"", 0

    def __enter__(self) -> "Browser":
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        assert CHROMIUM
        command = [CHROMIUM, *QUIET, *self._flags, f"--user-data-dir={self._profile.name}", "about:blank"]
        redirect = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'  # where Chromium expects them
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        width, height = self._size
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=self._phone
        )
        if self._phone:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def open(self, file: Path) -> None:
        """Open a page, and wait until its viewer is ready."""
        self.visit(file.as_uri())
        self.ask("viewer.ready")

    def visit(self, address: str) -> None:
        """Open a page, and wait until it is loaded."""
        loads = self._loads
        self.call("Page.navigate", url=address)
        end = time.monotonic() + PATIENCE
        while self._loads == loads:
            self._read(end)

    def ask(self, expression: str) -> Any:
        """Return the value of an expression, or of what it promises."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._read(end)
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def screenshot(self) -> bytes:
        """Return the page as a PNG file."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            is_there, _, _ = select.select([self._from], [], [], max(0, end - time.monotonic()))
            assert is_there, f"Chromium said nothing for {PATIENCE:.0f} seconds"
            chunk = os.read(self._from, 1 << 20)
            assert chunk, "Chromium ended"
            self._rest += chunk
        line, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}}:
                if not url.startswith("data:"):
                    self.requests.append(url)
            case {"method": "Page.loadEventFired"}:
                self._loads += 1
            case {"method": "Runtime.exceptionThrown", "params": what}:
                self.complaints.append(json.dumps(what)[:500])
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error"} as what}}:
                self.complaints.append(json.dumps(what)[:500])
            case {"method": "Runtime.consoleAPICalled", "params": {"type": "error" | "warning"} as what}:
                self.complaints.append(json.dumps(what)[:500])


def drawn(browser: Browser, **pose: object) -> np.ndarray:
    """What the viewer of a page draws, (H, W, 3), from a pose if one is given."""
    if pose:
        browser.ask(f"viewer.setPose({json.dumps(pose)})")
    width, height, data = browser.ask(
        "(() => { const { width, height, data } = viewer.screenshot(); let text = '';"
        "for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));"
        "return [width, height, btoa(text)]; })()"
    )
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3].astype(np.float64)
