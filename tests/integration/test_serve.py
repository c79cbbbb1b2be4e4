"""The service over real HTTP: the pictures of the pipeline, whoever shares the batch, cancelled when nobody waits."""

import base64
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import plyfile
import pytest
import ray
import trimesh

from ldm3d.config import (
    DefaultsConfig,
    EngineConfig,
    GeneratorConfig,
    LimitsConfig,
    ReplicasConfig,
    ServeConfig,
)
from ldm3d.images import decode_depth, decode_rgb
from pipelines.serve import running
from tests.builders.service import Drawn, Lone, Service, assert_same, events_of, tiny_model, until

TOKEN = "a token of tests"
ROWS, ROOM = 4, 6  # of calls of the U-Net; requests at once
LONG = 150  # steps: seconds, in which a test can cancel


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def service(model, cluster) -> Iterator[Service]:
    config = ServeConfig(
        port=0,
        token=TOKEN,
        model=GeneratorConfig(model=(str(model),)),
        engine=EngineConfig(rows=ROWS, max_requests=ROOM),
        defaults=DefaultsConfig(scheduler="ddim", steps=3, guidance=4.0),
        limits=LimitsConfig(pixels=64 * 64, body_bytes=4_096, client_requests=8),
        cluster=ReplicasConfig(gpus=0),
        drain_s=10,
    )
    with running(config) as address:
        yield Service(address, TOKEN)


@pytest.fixture(scope="module")
def lone(model) -> Iterator[Lone]:
    with Lone.of(model, ROWS) as draw:
        yield draw


def test_pictures_are_those_of_the_library_whoever_shares_the_batch(service, lone):
    asked: list[dict[str, Any]] = [
        {"prompt": "a red cube", "seed": 7},
        {"prompt": "a blue sphere", "seed": 2**32 - 1, "steps": 7, "guidance": 2.0},
        {"prompt": "", "seed": 0, "width": 48, "height": 40},
        {"prompt": "a red cube", "seed": 7, "scheduler": "dpmpp", "steps": 5},
        {"prompt": "naïve 球 \U0001f34b", "seed": 3},
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        drawn = list(pool.map(lambda body: service.draw(**body), asked))
    for body, each in zip(asked, drawn, strict=True):
        assert_same(each, lone(**body))
        assert (each.facts["seed"], each.facts["exact"], each.facts["rows"]) == (body["seed"], True, ROWS)


def test_a_stream_shows_each_step_and_ends_with_the_picture_and_its_files(service, lone):
    body = {"prompt": "a red cube", "seed": 5, "steps": 4, "previews": 2}
    with service.client(accept="text/event-stream") as client:
        with client.stream("POST", "/v1/rgbd", json=body) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = list(events_of(answer.iter_lines()))
        assert [name for name, _ in events] == ["accepted", *["step"] * 4, "done"]
        assert events[0][1]["seed"] == 5
        shown = [data for _, data in events if "image" in data]
        assert [data["step"] for data in shown] == [1, 2]
        assert decode_rgb(base64.b64decode(shown[0]["image"])).shape == (8, 8, 3)  # a pixel for each latent
        urls = events[-1][1]["urls"]
        wanted = lone("a red cube", 5, steps=4)
        np.testing.assert_array_equal(decode_rgb(client.get(urls["image"]).content), wanted.image)
        np.testing.assert_array_equal(decode_depth(client.get(urls["depth"]).content), wanted.depth)
        raw = client.get(urls["depth_raw"])
        assert raw.headers["content-encoding"] == "gzip"
        np.testing.assert_array_equal(np.frombuffer(raw.content, "<u2").reshape(32, 32), wanted.depth)


def test_a_result_becomes_a_page_a_mesh_and_splats(service):
    urls = service.draw(prompt="<script>alert(1)</script>", seed=1).facts["urls"]
    with service.client() as client:
        page = client.get(urls["viewer"])
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<script>alert" not in page.text
        mesh = trimesh.load(io.BytesIO(client.get(urls["glb"]).content), file_type="glb")
        assert len(mesh.geometry) >= 1
        splats = plyfile.PlyData.read(io.BytesIO(client.get(urls["splats"]).content))
        assert splats["vertex"].count == 32 * 32
        gone = client.get("/v1/results/nothing/image.png")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")
        assert client.get(urls["image"].replace("image.png", "secret.png")).status_code == 404


def test_a_request_that_is_cancelled_by_its_id_ends_and_its_neighbour_keeps_its_bytes(service, lone):
    neighbour = {"prompt": "a neighbour", "seed": 11, "steps": 30}
    with (
        ThreadPoolExecutor(1) as pool,
        service.client(accept="text/event-stream") as client,
        client.stream("POST", "/v1/rgbd", json={"prompt": "a", "steps": LONG}) as answer,
    ):
        beside = pool.submit(service.draw, **neighbour)
        events = events_of(answer.iter_lines())
        identity = next(events)[1]["id"]
        assert next(events)[0] == "step"
        with service.client() as other:
            assert other.delete(f"/v1/jobs/{identity}").json() == {"id": identity, "status": "cancelled"}
        last = list(events)[-1]
        assert last[0] == "error"
        assert last[1]["error"]["code"] == "cancelled"
        assert_same(beside.result(), lone(**neighbour))


def test_a_stream_whose_client_leaves_is_cancelled(service):
    with (
        service.client(accept="text/event-stream") as client,
        client.stream("POST", "/v1/rgbd", json={"prompt": "a", "steps": LONG}) as answer,
    ):
        events = events_of(answer.iter_lines())
        identity = next(events)[1]["id"]
        next(events)
    until(lambda: service.status_of(identity)["status"] == "cancelled")


def test_clients_that_leave_give_back_all_the_room_there_is(service):
    asked = {"prompt": "a", "steps": LONG}

    def leave(_: int) -> None:
        with service.client() as client, pytest.raises(httpx.ReadTimeout):
            # refused while what others have cancelled is on its way out
            until(lambda: client.post("/v1/rgbd", json=asked, timeout=1).status_code != 503)

    def has_all_its_room() -> bool:
        with service.client(prefer="respond-async") as client:
            answers = [client.post("/v1/rgbd", json=asked) for _ in range(ROOM)]
            taken = [answer.json() for answer in answers if answer.status_code == 202]
            for job in taken:
                client.delete(job["urls"]["cancel"])
        return len(taken) == ROOM

    with ThreadPoolExecutor(ROOM) as pool:
        list(pool.map(leave, range(ROOM)))
    until(has_all_its_room)


def test_a_job_goes_on_without_a_client(service, lone):
    with service.client(prefer="respond-async") as client:
        answer = client.post("/v1/rgbd", json={"prompt": "a job", "seed": 9, "steps": 60, "previews": 1})
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
        urls = answer.json()["urls"]
        early = client.get(urls["result"])
        assert early.status_code in (200, 409)
        with client.stream("GET", urls["events"]) as stream:
            events = list(events_of(stream.iter_lines()))
        assert (events[0][0], events[-1][0]) == ("accepted", "done")
        status = client.get(urls["status"]).json()
        assert (status["status"], status["result"]["seed"]) == ("done", 9)
        drawn = client.get(urls["result"], headers={"accept": "application/zip"})
        assert_same(Drawn.of(drawn.content), lone("a job", 9, steps=60))
        assert client.delete(urls["cancel"]).json()["status"] == "done"
        assert client.get("/v1/jobs/nothing").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        ({"prompt": "a", "stepz": 3}, 400, "stepz", "there is no field 'stepz'"),
        ({"steps": 3}, 400, "prompt", "prompt is missing"),
        ({"prompt": "a", "model": "other"}, 404, "model", "there is no model 'other': there are tiny"),
        ({"prompt": "a", "steps": 151}, 400, "steps", "steps is 151, wanted at most 150"),
        ({"prompt": "a", "guidance": 51}, 400, "guidance", "guidance is 51, wanted at most 50"),
        ({"prompt": "a", "seed": -1}, 400, "seed", "seed is -1, wanted"),
        ({"prompt": "a", "seed": 1.5}, 400, "seed", "seed is 1.5, wanted"),
        ({"prompt": "a", "previews": 9}, 400, "previews", "previews is 9, wanted"),
        ({"prompt": "a", "scheduler": "magic"}, 400, "scheduler", "scheduler is 'magic', wanted one of"),
        ({"prompt": "a", "width": 128, "height": 128}, 400, "size", "128 x 128, wanted at most 4,096 pixels"),
        ({"prompt": "a", "width": 33}, 400, "width", "width is 33 pixels, wanted a multiple of 4"),
        ({"prompt": "x" * 2_001}, 400, "prompt", "prompt has 2,001 characters, wanted at most 2,000"),
        ({"prompt": "x" * 5_000}, 413, None, "the body is too large, wanted at most 4,096 bytes"),
        ({"prompt": "\ud800"}, 400, "prompt", "wanted whole characters"),
        ([], 400, None, "the body is not an object"),
    ],
)
def test_a_bad_request_is_told_what_to_change(service, body, status, param, said):
    with service.client() as client:
        answer = client.post("/v1/rgbd", content=json.dumps(body), headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param)
    assert said in error["message"]


def test_without_the_token_only_the_page_and_health_are_there(service):
    with httpx.Client(base_url=service.address) as stranger:
        assert stranger.get("/healthz").text == "ok"
        assert stranger.get("/").headers["content-type"].startswith("text/html")
        assert stranger.get("/page/page.css").status_code == 200
        assert stranger.get("/page/..%2f__init__.py").status_code == 404
        for headers in ({}, {"authorization": "Bearer another"}, {"authorization": TOKEN}):
            refused = stranger.get("/v1/models", headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert TOKEN not in refused.text
            assert stranger.post("/v1/rgbd", json={"prompt": "a"}, headers=headers).status_code == 401


def test_beyond_its_room_it_refuses_at_once_and_draws_what_it_took(service, lone):
    body = {"prompt": "a crowd", "steps": 40}

    def ask(seed: int) -> tuple[httpx.Response, float]:
        began = time.monotonic()
        with service.client(accept="application/zip") as client:
            return client.post("/v1/rgbd", json=body | {"seed": seed}), time.monotonic() - began

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))
    refused = [answer for answer, _ in answers if answer.status_code != 200]
    assert len(answers) - len(refused) == ROOM
    assert {answer.status_code for answer in refused} == {429, 503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    slowest = max(seconds for answer, seconds in answers if answer.status_code != 200)
    assert slowest < min(seconds for answer, seconds in answers if answer.status_code == 200)
    seed, (answer, _) = next((seed, each) for seed, each in enumerate(answers) if each[0].status_code == 200)
    assert_same(Drawn.of(answer.content), lone("a crowd", seed, steps=40))


def test_the_openai_sdk_draws_with_depth(service, lone):
    client = service.openai()
    assert [model.id for model in client.models.list()] == ["tiny"]
    extra = {"seed": 20, "steps": 3, "guidance": 4.0}
    answer = client.images.generate(model="tiny", prompt="a red cube", n=2, size="40x32", extra_body=extra)
    assert [item.seed for item in answer.data] == [20, 21]
    for item in answer.data:
        wanted = lone("a red cube", item.seed, height=32, width=40)
        np.testing.assert_array_equal(decode_rgb(base64.b64decode(item.b64_json)), wanted.image)
        np.testing.assert_array_equal(decode_depth(base64.b64decode(item.depth_b64_png16)), wanted.depth)
        assert httpx.get(item.viewer_url, timeout=60).status_code == 200  # as a link is opened: without the token
        assert httpx.get(item.viewer_url.partition("?")[0], timeout=60).status_code == 401
    alone = client.images.generate(prompt="a red cube", extra_body={"depth": "none"})
    assert not hasattr(alone.data[0], "depth_b64_png16")


def test_the_openai_sdk_streams_partial_pictures(service, lone):
    extra = {"seed": 5, "steps": 6}
    stream = service.openai().images.generate(prompt="a cube", stream=True, partial_images=2, extra_body=extra)
    events = list(stream)
    kinds = [event.type for event in events]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert decode_rgb(base64.b64decode(events[0].b64_json)).shape == (32, 32, 3)
    np.testing.assert_array_equal(decode_rgb(base64.b64decode(events[-1].b64_json)), lone("a cube", 5, steps=6).image)


def test_the_openai_sdk_is_told_what_is_wrong(service):
    client = service.openai()
    with pytest.raises(openai.BadRequestError, match="there is no field 'cfg_scale'") as refused:
        client.images.generate(prompt="a", extra_body={"cfg_scale": 3})
    assert refused.value.param == "cfg_scale"
    with pytest.raises(openai.BadRequestError, match="size is '1 x 1', wanted WIDTHxHEIGHT"):
        client.images.generate(prompt="a", size="1 x 1")
    with pytest.raises(openai.BadRequestError, match="response_format is 'url', wanted 'b64_json'"):
        client.images.generate(prompt="a", response_format="url")
    with pytest.raises(openai.NotFoundError, match="there is no model 'dall-e-3'"):
        client.images.generate(prompt="a", model="dall-e-3")
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{service.address}/v1", api_key="another").models.list()


def test_the_schema_names_every_field_and_answer(service):
    with service.client() as client:
        schema = client.get("/openapi.json").json()
    assert {"/v1/rgbd", "/v1/images/generations", "/v1/models", "/v1/jobs/{identity}"} <= schema["paths"].keys()
    assert schema["components"]["schemas"]["RgbdBody"]["additionalProperties"] is False


def test_a_second_service_on_the_same_cluster_is_refused(service):
    with pytest.raises(ValueError, match="Ray Serve runs on this cluster already"), running(ServeConfig()):
        pass
    assert httpx.get(f"{service.address}/healthz").text == "ok"


def test_when_a_copy_of_the_model_is_lost_its_requests_are_drawn_by_the_next_one(service, lone):
    (name,) = (
        each["name"]
        for each in ray.util.list_named_actors(all_namespaces=True)
        if each["name"].startswith("SERVE_REPLICA::ldm3d#model#")
    )
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.draw, prompt="a survivor", seed=4, steps=60)
        time.sleep(1)
        ray.kill(ray.get_actor(name, namespace="serve"))
        assert_same(asked.result(), lone("a survivor", 4, steps=60))
