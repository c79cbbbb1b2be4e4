"""A model that draws many requests at once: a request joins at the next step and leaves when its last one is taken.

Batching of whole requests makes a request of 4 steps wait for one of 50, and a cancelled one is drawn to its end.
Here each request has latents and a scheduler of its own, and every call of the U-Net takes whatever requests are
there, each at its own timestep. As calls have one size (`EngineConfig.rows`), a picture depends on its own request
alone, to the bit.
"""

import logging
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass

from ldm3d.config import EngineConfig
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.serving.drawer import Drawer
from ldm3d.serving.events import Cancelled, Done, Event, Failed, Step
from ldm3d.serving.load import BusyError, Counts, Load
from ldm3d.serving.preview import PreviewMap
from ldm3d.serving.request import DrawRequest
from ldm3d.serving.slot import Slot, Tell, denoising_of
from ldm3d.serving.speed import Speed
from ldm3d.serving.suitable import latents_of, require_suitable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Asked:
    identity: str
    request: DrawRequest
    tell: Tell
    at: float


class Engine:
    """Draws requests in a thread of its own. All methods may be called from any thread."""

    def __init__(self, model: RgbdPipeline, config: EngineConfig) -> None:
        """Take over `model`, on the device that it is to draw on: nobody else may use it from now on."""
        self.model, self.config = model, config
        self._thread: threading.Thread | None = None
        self._speed: Speed | None = None
        self._changed = threading.Condition()  # guards what is below
        self._asked: deque[_Asked] = deque()
        self._known: set[str] = set()  # that have not ended
        self._cancelled: set[str] = set()
        self._counts = Counts()
        self._wait_s, self._closed, self._over = 0.0, False, False
        self._failure: Exception | None = None

    def start(self) -> None:
        """Measure the speed, fit the previews, and start drawing. Takes some seconds."""
        self._speed = Speed.measured(self.model, self.config)
        drawer = Drawer(self.model, self.config, self._speed, PreviewMap.fit(self.model), self._told)
        self._thread = threading.Thread(target=self._run, args=(drawer,), name="engine", daemon=True)
        self._thread.start()

    def check(self, request: DrawRequest) -> None:
        """Raise ValueError if a request does not suit the model."""
        require_suitable(request, self.model)

    def submit(self, request: DrawRequest, tell: Tell) -> str:
        """Have a request drawn, and return its identity.

        Args:
            tell: is called from the engine's thread, with each event of the request.

        Raises:
            ValueError: the request does not suit the model.
            BusyError: there is too much to draw already, or the engine stops.
        """
        self.check(request)
        seconds = self._seconds_of(request)
        with self._changed:
            self._require_room()
            identity = uuid.uuid4().hex
            self._asked.append(_Asked(identity, request, tell, time.monotonic()))
            self._known.add(identity)
            self._wait_s += seconds
            self._changed.notify_all()
        return identity

    def cancel(self, identity: str) -> bool:
        """Cancel a request between two steps. Returns whether it had not ended."""
        with self._changed:
            if identity not in self._known:
                return False
            self._cancelled.add(identity)
            self._changed.notify_all()
            return True

    def load(self) -> Load:
        """Return what the engine is doing."""
        with self._changed:
            return self._counts.load(len(self._known), self._ahead_s(), self.config.rows)

    def require_alive(self) -> None:
        """Raise RuntimeError if the engine has failed: it draws nothing any more, and has to be replaced."""
        if self._failure is not None:
            raise RuntimeError("the engine has failed, see its log") from self._failure

    def stop(self, wait_s: float = 0.0) -> None:
        """Take no new requests, let those that are there end for so many seconds, and cancel the rest."""
        until = time.monotonic() + wait_s
        with self._changed:
            self._closed = True
            while self._known and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._cancelled |= self._known
            self._over = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    def _require_room(self) -> None:
        if self._closed:
            raise BusyError("the service stops", 10)
        ahead_s = self._ahead_s()
        if len(self._known) >= self.config.max_requests:
            soon = max(1.0, ahead_s / len(self._known))
            raise BusyError(f"{len(self._known)} requests are drawn or wait, as many as may", soon)
        if ahead_s > self.config.max_wait_s:
            later = max(1.0, ahead_s - self.config.max_wait_s)
            raise BusyError(f"about {ahead_s:.0f} s of work are ahead", later)

    def _ahead_s(self) -> float:
        """Return the seconds that all requests take. What is known is from before the last step."""
        return self._wait_s if self._known else 0.0

    def _seconds_of(self, request: DrawRequest) -> float:
        """Return about how long a request takes, in full calls."""
        if self._speed is None:
            return 0.0
        rows, (_, height, width) = self.config.rows, latents_of(request, self.model)
        share = (1 if request.guidance_scale == 1 else 2) / rows
        return self._speed.of(rows * height * width) * request.num_inference_steps * share

    def _run(self, drawer: Drawer) -> None:
        """Draw until the engine is stopped. What fails in a request ends that request; anything else ends all."""
        try:
            self._draw(drawer)
        except Exception as error:
            logger.exception("the engine has failed: nothing is drawn any more")
            with self._changed:
                self._failure, self._closed = error, True
                asked, self._asked = list(self._asked), deque()
            for slot in drawer.turns.slots():
                self._end(slot.tell, Failed(slot.identity, error))
            for each in asked:
                self._end(each.tell, Failed(each.identity, error))

    def _draw(self, drawer: Drawer) -> None:
        while self._awaits_work(drawer):
            with self._changed:
                asked, cancelled = list(self._asked), self._cancelled
                self._asked, self._cancelled = deque(), set()
            drawer.drop(cancelled)
            for each in asked:
                self._admit(drawer, each, cancelled=each.identity in cancelled)
            stepped = drawer.step()
            self._count(stepped, drawer.seconds_left())

    def _awaits_work(self, drawer: Drawer) -> bool:
        """Wait for something to do. Returns False when there will be nothing any more."""
        with self._changed:
            while not (self._asked or self._cancelled or len(drawer.turns)):
                if self._over:
                    return False
                self._changed.wait()
        return True

    def _admit(self, drawer: Drawer, asked: _Asked, *, cancelled: bool) -> None:
        if cancelled:
            self._end(asked.tell, Cancelled(asked.identity))
            return
        try:
            denoising = denoising_of(asked.request, self.model)
        except Exception as error:
            self._end(asked.tell, Failed(asked.identity, error))
            return
        drawer.add(Slot(asked.identity, asked.request, asked.tell, asked.at, denoising))

    def _count(self, stepped: list[Slot], wait_s: float) -> None:
        with self._changed:
            self._wait_s = wait_s + sum(self._seconds_of(each.request) for each in self._asked)
            if stepped:
                self._counts.calls += 1
                self._counts.steps += len(stepped)
                self._counts.rows += sum(slot.rows for slot in stepped)

    def _told(self, slot: Slot, event: Event) -> None:
        if not isinstance(event, Step):
            self._end(slot.tell, event)
            return
        with self._changed:
            self._counts.wasted_steps += event.identity in self._cancelled
        _tell(slot.tell, event)

    def _end(self, tell: Tell, event: Event) -> None:
        with self._changed:
            self._known.discard(event.identity)
            self._cancelled.discard(event.identity)
            self._counts.finished += isinstance(event, Done)
            self._counts.cancelled += isinstance(event, Cancelled)
            self._counts.failed += isinstance(event, Failed)
            self._changed.notify_all()
        _tell(tell, event)


def _tell(tell: Tell, event: Event) -> None:
    """Tell a request what happened. One that cannot be told does not keep others from being drawn."""
    try:
        tell(event)
    except Exception:
        logger.exception("request %s could not be told", event.identity)
