"""Many at once, each as if alone: bytes, order, cancels, refusals and the end."""

import threading
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from ldm3d.config import EngineConfig
from ldm3d.sampling.decode import decode_latents
from ldm3d.sampling.samples import NotFiniteError
from ldm3d.serving.engine import Engine
from ldm3d.serving.events import Cancelled, Done, Event, Failed, Step
from ldm3d.serving.load import BusyError
from ldm3d.serving.request import DrawRequest

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = 8
CUBE = DrawRequest(prompt="a red cube", seed=7, num_inference_steps=4, height=16, width=16)
ENDS = (Done, Cancelled, Failed)


class Told:
    """What requests were told, and waiting for their ends."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self.changed:
            self.events[event.identity].append(event)
            self.changed.notify_all()

    def wait(self, identity: str, kinds=ENDS) -> Event:
        with self.changed:
            assert self.changed.wait_for(lambda: self._found(identity, kinds), 60)
            return self._found(identity, kinds)

    def _found(self, identity, kinds):
        return next((event for event in self.events[identity] if isinstance(event, kinds)), None)


@pytest.fixture(scope="module")
def engine(loaded):
    engine = Engine(loaded, EngineConfig(rows=ROWS, max_requests=400, max_wait_s=1e6))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def told() -> Told:
    return Told()


def alone(model, request: DrawRequest):
    """The picture by the pipeline's own way."""
    names = ("num_inference_steps", "guidance_scale", "height", "width", "negative_prompt", "panorama")
    settings = {name: getattr(request, name) for name in names}
    batch = ROWS // 2 if request.guidance_scale != 1 else ROWS
    drawn = model([request.prompt], seed=request.seed, output_type="latent", batch_size=batch, **settings)
    return decode_latents(model.vae, drawn.images, panorama=request.panorama)


@pytest.mark.parametrize(
    "changes",
    [{}, {"guidance_scale": 1.0}, {"height": 24, "width": 16}, {"panorama": True}, {"negative_prompt": "fog"}],
    ids=str,
)
def test_a_picture_is_that_of_the_pipeline_to_the_bit(engine, loaded, told, changes):
    request = replace(CUBE, **changes)
    done = told.wait(engine.submit(request, told))
    expected = alone(loaded, request)
    assert np.array_equal(done.sample.image, expected.image[0])
    assert np.array_equal(done.sample.depth, expected.depth[0])
    assert (done.sample.prompt, done.sample.seed, done.facts["rows"]) == ("a red cube", 7, ROWS)


def test_200_with_random_company_and_cancels_are_as_if_alone(engine, told):
    random = np.random.default_rng(3)
    kinds = [
        replace(CUBE, seed=3, num_inference_steps=2),
        replace(CUBE, seed=4, num_inference_steps=9, scheduler="euler-a"),
        replace(CUBE, seed=5, guidance_scale=1.0),
        replace(CUBE, seed=6, num_inference_steps=6, guidance_scale=3.0, scheduler="dpmpp", width=24),
        replace(CUBE, seed=7, num_inference_steps=3, scheduler="ddpm", width=24),
        replace(CUBE, seed=8, num_inference_steps=5, guidance_scale=7.0, scheduler="heun"),
        replace(CUBE, seed=9, scheduler="unipc"),
        replace(CUBE, seed=10, num_inference_steps=8, guidance_scale=2.0, scheduler="lcm"),
    ]
    twins = [told.wait(engine.submit(kind, told)) for kind in kinds]
    before, asked, stopped = engine.load(), {}, 0
    for number in range(200):
        asked[engine.submit(kinds[number % len(kinds)], told)] = number % len(kinds)
        if random.random() < 0.3:
            stopped += engine.cancel(str(random.choice(list(asked))))
        if random.random() < 0.2:
            time.sleep(random.uniform(0, 0.02))
    ends = {identity: told.wait(identity) for identity in asked}
    for identity, end in ends.items():
        assert sum(isinstance(event, ENDS) for event in told.events[identity]) == 1
        if isinstance(end, Done):
            twin = twins[asked[identity]].sample
            assert np.array_equal(end.sample.image, twin.image)
            assert np.array_equal(end.sample.depth, twin.depth)
    after = engine.load()
    cancelled = sum(isinstance(end, Cancelled) for end in ends.values())
    assert not any(isinstance(end, Failed) for end in ends.values())
    assert 0 < cancelled <= stopped  # one that is drawn while it is cancelled is drawn
    assert after.cancelled - before.cancelled == cancelled
    assert after.wasted_steps - before.wasted_steps <= stopped
    assert after.requests == 0
    assert after.wait_s == 0


def test_steps_come_in_order_and_previews_where_they_are_due(engine, told):
    identity = engine.submit(replace(CUBE, num_inference_steps=10, previews=3), told)
    told.wait(identity)
    steps = [event for event in told.events[identity] if isinstance(event, Step)]
    assert [(event.step, event.steps) for event in steps] == [(number, 10) for number in range(1, 11)]
    assert [event.step for event in steps if event.preview] == [1, 4, 7]
    assert steps[0].preview.image.shape[:2] == steps[0].preview.depth.shape


def test_a_short_one_joins_a_long_one_and_is_done_first(engine, told):
    long = engine.submit(replace(CUBE, num_inference_steps=400), told)
    told.wait(long, Step)
    short = told.wait(engine.submit(CUBE, told))
    assert isinstance(short, Done)
    assert told._found(long, ENDS) is None
    assert engine.cancel(long)
    assert isinstance(told.wait(long), Cancelled)
    assert not engine.cancel(long)


def test_one_that_need_not_be_exact_says_so_and_is_the_same_but_for_rounding(engine, told):
    exact, loose = (told.wait(engine.submit(replace(CUBE, exact=each), told)) for each in (True, False))
    assert (exact.facts["exact"], exact.facts["rows"]) == (True, ROWS)
    assert (loose.facts["exact"], loose.facts["rows"]) == (False, 2)
    assert np.abs(exact.sample.image.astype(int) - loose.sample.image).max() <= 1


def test_what_does_not_suit_the_model_is_refused_before_any_work(engine, told):
    calls = engine.load().calls
    for changes, words in [
        ({"width": 17}, "multiple of"),
        ({"num_inference_steps": 5_000}, "wanted 1 to"),
        ({"scheduler": "euler", "eta": 0.5}, "eta is 0.5"),
    ]:
        with pytest.raises(ValueError, match=words):
            engine.submit(replace(CUBE, **changes), told)
    assert engine.load().calls == calls


def test_too_much_is_refused_at_once_with_a_time_to_try_again(loaded, told):
    engine = Engine(loaded, EngineConfig(rows=2, max_requests=2, max_wait_s=1e6))  # not started: nothing is drawn
    for _ in range(2):
        engine.submit(CUBE, told)
    with pytest.raises(BusyError, match="2 requests are drawn or wait") as refused:
        engine.submit(CUBE, told)
    assert refused.value.retry_after_s >= 1


def test_long_work_ahead_is_refused_by_its_cost(loaded, told):
    engine = Engine(loaded, EngineConfig(rows=2, max_requests=100, max_wait_s=3))
    engine.start()
    try:
        asked = (engine.submit(replace(CUBE, num_inference_steps=60), told) for _ in range(100))
        with pytest.raises(BusyError, match="s of work are ahead"):
            list(asked)
        assert 1 < engine.load().requests < 100
    finally:
        engine.stop()
    assert all(isinstance(events[-1], ENDS) for events in told.events.values())


def test_stopping_lets_them_end_if_it_may_and_takes_no_more(loaded, told):
    engine = Engine(loaded, EngineConfig(rows=ROWS))
    engine.start()
    identity = engine.submit(CUBE, told)
    engine.stop(wait_s=60)
    assert isinstance(told.wait(identity), Done)
    with pytest.raises(BusyError, match="the service stops"):
        engine.submit(CUBE, told)


def test_a_call_that_fails_ends_its_own_requests_and_no_others(engine, loaded, told, monkeypatch):
    real = loaded.unet.forward

    def forward(latents, *args, **named):
        if latents.shape[-1] == 6:
            raise RuntimeError("out of memory")
        return real(latents, *args, **named)

    monkeypatch.setattr(loaded.unet, "forward", forward)
    good = engine.submit(replace(CUBE, num_inference_steps=30), told)
    bad = told.wait(engine.submit(replace(CUBE, width=24), told))
    assert isinstance(bad, Failed)
    assert "out of memory" in str(bad.error)
    assert isinstance(told.wait(good), Done)


def test_a_listener_that_raises_keeps_nobody_from_being_drawn(engine, told):
    def broken(event):
        raise RuntimeError("the event loop is closed")

    engine.submit(CUBE, broken)
    assert isinstance(told.wait(engine.submit(CUBE, told)), Done)


def test_a_picture_that_is_not_finite_has_failed(engine, loaded, told, monkeypatch):
    real = loaded.vae.decode
    monkeypatch.setattr(loaded.vae, "decode", lambda latents, return_dict: (real(latents).sample * float("nan"),))
    monkeypatch.setattr("ldm3d.sampling.decode.copy.deepcopy", lambda vae: vae)
    end = told.wait(engine.submit(CUBE, told))
    assert isinstance(end, Failed)
    assert isinstance(end.error, NotFiniteError)


def test_a_preview_that_fails_ends_its_own_request(engine, told, monkeypatch):
    def broken(self, latents):
        raise RuntimeError("no preview")

    monkeypatch.setattr("ldm3d.serving.preview.PreviewMap.__call__", broken)
    good = engine.submit(CUBE, told)
    failed = told.wait(engine.submit(replace(CUBE, previews=1), told))
    assert isinstance(failed, Failed)
    assert str(failed.error) == "no preview"
    assert isinstance(told.wait(good), Done)


def test_an_engine_that_fails_ends_all_requests_and_says_that_it_has_to_be_replaced(loaded, told, monkeypatch):
    def broken(self):
        raise RuntimeError("whose turn is it?")

    engine = Engine(loaded, EngineConfig(rows=ROWS))
    engine.start()
    engine.require_alive()
    monkeypatch.setattr("ldm3d.serving.turns.Turns.take", broken)
    assert isinstance(told.wait(engine.submit(CUBE, told)), Failed)
    with pytest.raises(BusyError, match="the service stops"):
        engine.submit(CUBE, told)
    with pytest.raises(RuntimeError, match="the engine has failed"):
        engine.require_alive()
    assert engine.load().requests == 0
    engine.stop()
