"""A warm worker is what a worker is: it has its own environment, and only what needs no set-up starts warm."""

import json
import os
import sys

import ray

from tests.integration.warm.start_worker import CONTEXT, environment_of


def test_a_worker_has_its_imports_and_its_own_environment():
    @ray.remote(runtime_env={"env_vars": {"SET_FOR_THIS_TASK": "1"}})
    def look() -> tuple[bool, str, str]:
        return "torch" in sys.modules, os.environ["SET_FOR_THIS_TASK"], os.environ["RAY_JOB_ID"]

    warm, given, job = ray.get(look.remote())
    assert warm
    assert given == "1"
    assert job == ray.get_runtime_context().get_job_id()


def test_a_worker_that_needs_more_than_variables_starts_as_ray_has_it(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OURS": "1"})
    assert environment_of(["default_worker.py"]) == {"OURS": "1"}
    assert environment_of([CONTEXT + json.dumps({"env_vars": {"A": "2"}})]) == {"OURS": "1", "A": "2"}
    assert environment_of([CONTEXT + json.dumps({"py_executable": sys.executable})]) == {"OURS": "1"}
    assert environment_of([CONTEXT + json.dumps({"py_executable": "another"})]) is None
    assert environment_of([CONTEXT + json.dumps({"env_vars": {}, "command_prefix": ["cd", "elsewhere"]})]) is None
