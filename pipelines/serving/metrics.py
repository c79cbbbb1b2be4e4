"""What is counted, for Prometheus: Ray exports it beside its own numbers."""

from typing import Any

from ldm3d.serving.load import Load

SECONDS = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]  # bounds of the histogram


class EngineMetrics:
    """The numbers of one copy of a model."""

    def __init__(self, model: str) -> None:
        from ray.serve.metrics import Counter, Gauge

        self.tags = {"model": model}
        names = ("model",)
        self.gauges = {
            "requests": Gauge("ldm3d_requests", "Requests that have not ended.", tag_keys=names),
            "wait_s": Gauge("ldm3d_wait_seconds", "Seconds of work that are there.", tag_keys=names),
            "filled": Gauge("ldm3d_filled", "Share of the rows of calls that requests had.", tag_keys=names),
        }
        self.counters = {
            "finished": Counter("ldm3d_finished", "Requests that were drawn.", tag_keys=names),
            "cancelled": Counter("ldm3d_cancelled", "Requests that were cancelled.", tag_keys=names),
            "failed": Counter("ldm3d_failed", "Requests that could not be drawn.", tag_keys=names),
            "calls": Counter("ldm3d_calls", "Calls of the U-Net.", tag_keys=names),
            "steps": Counter("ldm3d_steps", "Steps that requests took.", tag_keys=names),
            "wasted_steps": Counter("ldm3d_wasted_steps", "Steps after a request was cancelled.", tag_keys=names),
        }
        self.seen = dict.fromkeys(self.counters, 0)

    def note(self, load: Load) -> None:
        """Set gauges, and add to counters what is new."""
        for name, gauge in self.gauges.items():
            gauge.set(getattr(load, name), tags=self.tags)
        for name, counter in self.counters.items():
            count = getattr(load, name)
            if count > self.seen[name]:
                counter.inc(count - self.seen[name], tags=self.tags)
            self.seen[name] = count


class DeskMetrics:
    """How requests end, and how long they take."""

    def __init__(self) -> None:
        from ray.serve.metrics import Counter, Gauge, Histogram

        both: Any = ("model", "ending")  # Ray's type says one
        self.running = Gauge("ldm3d_running", "Requests that the desk waits for.")
        self.kept = Gauge("ldm3d_kept_bytes", "Bytes of results that are kept.")
        self.ended = Counter("ldm3d_ended", "Requests, by how they ended.", tag_keys=both)
        self.latency = Histogram(
            "ldm3d_latency_seconds", "From a request to its picture.", boundaries=SECONDS, tag_keys=("model",)
        )

    def note(self, running: int, kept: int) -> None:
        """Set gauges."""
        self.running.set(running)
        self.kept.set(kept)

    def end(self, model: str, ending: str, seconds: float) -> None:
        """Count a request that ended, by a word for how."""
        self.ended.inc(1, tags={"model": model, "ending": ending})
        if ending == "drawn":
            self.latency.observe(seconds, tags={"model": model})
