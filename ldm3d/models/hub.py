"""Whether the hub can be reached, asked once before a library asks it for file after file."""

import time
from pathlib import Path

TRIES, PAUSE_S = 3, 1.0  # an outage of a moment is no outage
UNREACHED = {"ConnectError", "ConnectTimeout", "ConnectionError", "ProxyError"}  # in httpx2, httpx or requests
PATIENCE_S = 4.0  # for all tries, where nothing answers at all


def require_hub(model: str, revision: str | None) -> None:
    """Check that the hub answers, if a model can only come from there: libraries try 23 s for each file of it.

    Nothing is asked where the model is a folder or has files in the cache, or where the hub must not be asked. Any
    answer passes, such as that there is no such model: libraries ask again and tell.

    Args:
        model: path or hub id.
        revision: commit on the hub; None is its main branch.

    Raises:
        huggingface_hub.errors.LocalEntryNotFoundError: the hub cannot be reached; its cause says why. Like every
            error of a library that does not find a model, it is an OSError.
    """
    from huggingface_hub import constants, errors

    if constants.HF_HUB_OFFLINE or Path(model).exists() or _is_cached(model):
        return
    end = time.monotonic() + PATIENCE_S
    for left in reversed(range(TRIES)):
        silence = _silence(model, revision, end - time.monotonic())
        if silence is None:
            return
        if left == 0 or time.monotonic() + PAUSE_S >= end:
            raise errors.LocalEntryNotFoundError(f"the hub could not be reached for {model!r}") from silence
        time.sleep(PAUSE_S)


def _is_cached(model: str) -> bool:
    """Return whether the cache holds anything of a model. True for what can be no hub id: libraries refuse it."""
    from huggingface_hub import constants, errors
    from huggingface_hub.file_download import repo_folder_name

    try:
        folder = repo_folder_name(repo_id=model, repo_type="model")
    except errors.HFValidationError:
        return True
    return Path(constants.HF_HUB_CACHE, folder, "snapshots").is_dir()


def _silence(model: str, revision: str | None, timeout_s: float) -> Exception | None:
    """Ask for a model. Returns what kept the hub from being reached; None where it answers, or is only slow."""
    from huggingface_hub import HfApi, errors

    try:
        HfApi().model_info(model, revision=revision, timeout=max(timeout_s, 1.0))
    except errors.OfflineModeIsEnabled:
        return None
    except Exception as error:  # of the HTTP client of this version of the library
        kinds = {kind.__name__ for kind in type(error).__mro__}
        return error if kinds & UNREACHED else None
    return None
