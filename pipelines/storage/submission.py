"""What Ray tells the command of a submitted job of its submission: the working directory that was sent with it."""

import json
import os
import re
import shlex

JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # Ray sets it for the command of a submitted job
COPIES = "working_dir_files"  # Ray's folder of the copies
UPLOADED = "gcs://"  # begins the working directory that was a folder of the submitter's
_IN_COPY = re.compile(rf"((?:^|=))/[^=]*/{COPIES}/[^/]+(?:/+(.+))?/*$")  # with NAME= before it or without

_SECRET = re.compile(r"(?<=//)[^/]*@|\?.*")  # in a URL: a user name and password, or a query, which may hold a token


def sent_directory() -> str | None:
    """Return the working directory of a submitted job, as Ray has it: the URL of a package, or local://.

    Returns:
        "" where the job was submitted without one, and None where this is no submitted job.
    """
    job = os.environ.get(JOB_CONFIG)
    if not job:
        return None
    return (json.loads(job).get("runtime_env") or {}).get("working_dir") or ""


def submitting() -> str:
    """Return the words that come before a command to submit it as this job was, with a space after them; "" where this
    is no submitted job. What else was submitted with it, such as the variables of its environment, is not repeated."""
    sent = sent_directory()
    if sent is None:
        return ""
    if not sent:
        return "ray job submit -- "
    given = "." if sent.startswith(UPLOADED) else _SECRET.sub("...", sent)
    return f"ray job submit --working-dir {shlex.quote(given)} -- "


def as_sent(place: str) -> str:
    """Return a place in a job's copy of its working directory as it was typed, relative to that; others as they are.

    The copy is gone after the job, and the next job has another.
    """
    return _IN_COPY.sub(lambda found: found[1] + (found[2] or "."), place)
