"""The service's page in a browser, used as a person does: by keys, a pointer and fingers."""

import base64
import json
import re
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.builders.browser import Browser
from tests.builders.canned_service import CannedService

CODES = {
    "Tab": 9,
    "Enter": 13,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
SHIFT = 8


class Page:
    """The page of a service, newly opened."""

    def __init__(self, browser: Browser, service: CannedService) -> None:
        self.browser, self.service = browser, service
        self.open()

    def open(self) -> None:
        """Load it, again."""
        self.browser.requests.clear()
        self.browser.complaints.clear()
        self.browser.visit(self.service.address)
        self.wait("document.readyState === 'complete' && (!$('token-row').hidden || $('width').value)")

    def ask(self, expression: str) -> Any:
        """The value of an expression, in which `$` finds an element by its id."""
        return self.browser.ask(f"(($) => {expression})((id) => document.getElementById(id))")

    def text(self, name: str) -> str:
        return str(self.ask(f"$({json.dumps(name)}).textContent"))

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + 20
        while not self.ask(f"!!({expression})"):
            assert time.monotonic() < end, (expression, self.browser.complaints)
            time.sleep(0.02)

    def click(self, name: str) -> None:
        self.ask(f"$({json.dumps(name)}).click()")

    def fill(self, name: str, text: str) -> None:
        """Type into a field, in place of what is there; unfold it first."""
        self.ask(f"$({json.dumps(name)}).closest('details')?.setAttribute('open', '')")
        self.ask(f"($({json.dumps(name)}).focus(), $({json.dumps(name)}).select())")
        self.type(text)

    def type(self, text: str) -> None:
        self.browser.call("Input.insertText", text=text)

    def key(self, name: str, times: int = 1, shift: bool = False) -> None:
        press = {"key": name, "code": name, "windowsVirtualKeyCode": CODES[name], "modifiers": SHIFT if shift else 0}
        letter = {"text": "\r"} if name == "Enter" else {}
        for _ in range(times):
            self.browser.call("Input.dispatchKeyEvent", type="keyDown", **press, **letter)
            self.browser.call("Input.dispatchKeyEvent", type="keyUp", **press)

    def tab_to(self, name: str) -> None:
        """Reach an element by Tab alone."""
        for _ in range(40):
            if self.ask("document.activeElement.id") == name:
                return
            self.key("Tab")
        raise AssertionError(f"Tab does not reach {name}")

    def draw(self, prompt: str) -> None:
        """Draw, and wait until the result is shown and kept, or why there is none."""
        known = self.ask("$('thumbs').childElementCount")
        self.fill("prompt", prompt)
        self.click("draw")
        self.wait(f"!$('draw').hidden && ($('thumbs').childElementCount > {known} || !$('problem').hidden)")

    def point(self, column: int, row: int, kind: str = "mouse") -> None:
        """Point at the middle of a pixel of the picture, and wait until something is told of it."""
        left, top, width, height = self.box("frame")
        rows, columns = self.service.depth.shape
        x, y = left + (column + 0.5) * width / columns, top + (row + 0.5) * height / rows
        if kind == "mouse":
            self.browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        else:
            self.browser.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
            self.browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.wait(f"$('reading').textContent.endsWith(' at {column}, {row}')")

    def read(self) -> tuple[int, str, int, int]:
        """The depth that is told: its value, in per cent, its column and row."""
        told = re.fullmatch(r"Depth ([\d,]+) of 65,535 \(([\d.]+) %\) at (\d+), (\d+)", self.text("reading"))
        assert told, self.text("reading")
        return int(told[1].replace(",", "")), told[2], int(told[3]), int(told[4])

    def box(self, name: str) -> list[float]:
        """Left, top, width and height of an element, which is brought into view."""
        box: list[float] = self.ask(
            f"(() => {{ const e = $({json.dumps(name)}); e.scrollIntoView({{block: 'nearest'}});"
            "const { left, top, width, height } = e.getBoundingClientRect(); return [left, top, width, height]; })()"
        )
        return box

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """What a canvas holds, (H, W, 3)."""
        width, height, data = self.ask(
            f"(() => {{ const canvas = $({json.dumps(name)}); const {{ width, height }} = canvas;"
            "const { data } = canvas.getContext('2d').getImageData(0, 0, width, height); let text = '';"
            "for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));"
            "return [width, height, btoa(text)]; })()"
        )
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]

    def seen(self, name: str) -> NDArray[np.uint8]:
        """What is seen of an element on the screen, (H, W, 3)."""
        left, top, width, height = (round(side) for side in self.box(name))
        screen = cv2.imdecode(np.frombuffer(self.browser.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(screen[top : top + height, left : left + width, ::-1], np.uint8)
