"""Four ways to draw what several people ask for with one model, behind one method, `submit`."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ldm3d.config import EngineConfig
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.serving.engine import Engine
from ldm3d.serving.events import Cancelled, Done, Step
from ldm3d.serving.request import DrawRequest


@dataclass(eq=False)
class Asked:
    """A request on its way, with its times by the monotonic clock."""

    request: DrawRequest
    at: float = field(default_factory=time.monotonic)
    first_step_at: float = 0.0
    cancelled_at: float = 0.0
    wasted: int = 0
    """Steps that were taken after it was cancelled."""
    ended_at: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def stepped(self) -> None:
        self.first_step_at = self.first_step_at or time.monotonic()
        self.wasted += bool(self.cancelled_at)

    def end(self) -> None:
        self.ended_at = time.monotonic()
        self.ended.set()


def draw(model: RgbdPipeline, several: list[Asked], size: int | None = None) -> None:
    """Draw requests of the same settings in one batch, filled up to `size`."""
    request = several[0].request

    def stepped(*_: Any) -> None:
        for each in several:
            each.stepped()

    model(
        [each.request.prompt for each in several],
        seed=[each.request.seed for each in several],
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        height=request.height,
        width=request.width,
        batch_size=size,
        output_type="np",
        callback=stepped,
    )
    for each in several:
        each.end()


class OneAfterTheOther:
    """The pipeline in a loop behind a queue."""

    def __init__(self, model: RgbdPipeline, rows: int) -> None:
        self.model, self.size = model, rows // 2
        self.asked: queue.Queue[Asked | None] = queue.Queue()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def submit(self, asked: Asked) -> Callable[[], None]:
        self.asked.put(asked)
        return lambda: None

    def stop(self) -> None:
        self.asked.put(None)
        self.thread.join()

    def _run(self) -> None:
        while asked := self.asked.get():
            if asked.cancelled_at:
                asked.end()
            else:
                draw(self.model, [asked])


class RequestBatches(OneAfterTheOther):
    """Whole requests in a batch, as `serve.batch` has it: those of one kind that wait when the last batch ended."""

    def _run(self) -> None:
        waiting: list[Asked] = []
        while True:
            while not waiting or not self.asked.empty():
                asked = self.asked.get()
                if asked is None:
                    return
                waiting.append(asked)
            for each in [each for each in waiting if each.cancelled_at]:
                waiting.remove(each)
                each.end()
            if waiting:
                steps = waiting[0].request.num_inference_steps
                batch = [each for each in waiting if each.request.num_inference_steps == steps][: self.size]
                waiting = [each for each in waiting if each not in batch]
                draw(self.model, batch)


class Threads:
    """A thread a request, as many at once as there are CPUs, each with a scheduler of its own."""

    def __init__(self, model: RgbdPipeline, rows: int, threads: int = 2) -> None:
        self.model, self.pool = model, ThreadPoolExecutor(threads)

    def submit(self, asked: Asked) -> Callable[[], None]:
        self.pool.submit(lambda: asked.end() if asked.cancelled_at else draw(self.model, [asked]))
        return lambda: None

    def stop(self) -> None:
        self.pool.shutdown()


class Steps:
    """Ours: batches at every step."""

    def __init__(self, model: RgbdPipeline, rows: int) -> None:
        self.engine = Engine(model, EngineConfig(rows=rows, max_requests=10**6, max_wait_s=1e9))
        self.engine.start()

    def submit(self, asked: Asked) -> Callable[[], None]:
        def tell(event: object) -> None:
            if isinstance(event, Step):
                asked.stepped()
            elif isinstance(event, Done | Cancelled):
                asked.end()

        identity = self.engine.submit(asked.request, tell)

        def cancel() -> None:
            self.engine.cancel(identity)

        return cancel

    def stop(self) -> None:
        self.engine.stop()


SIDES: dict[str, Any] = {"loop": OneAfterTheOther, "threads": Threads, "batches": RequestBatches, "steps": Steps}
