"""Why a model did not load, and what to do about it: libraries blame the network for nearly anything.

A hub answers in kinds of exceptions, which diffusers and transformers wrap: the chain of causes is searched for them.
"""

from collections.abc import Iterator
from pathlib import Path

DEMO, MODELS = "runs/demo/", "runs/demo/models/"  # where the preset `toy` looks for its networks
OF_ANOTHER_KIND = ("Unrecognized ", "does not recognize this architecture")  # in messages of transformers


def named(setting: str, model: str, revision: str | None) -> str:
    """Return the flag of a model and its value, to begin messages with; its revision only where one was asked for."""
    return f"{setting} {model!r}" + (f" (revision {revision!r})" if revision else "")


def why_unreadable(model: str, revision: str | None, error: BaseException, wanted: str) -> str:
    """Say why a model did not load and what to do, as the end of a message that began with its name.

    Args:
        model: path or hub id.
        revision: commit on the hub; None is its main branch.
        error: what the library raised.
        wanted: what to give instead, beginning with a verb.
    """
    reason, remedy = _of_path(model, wanted) or _of_hub(model, revision, error, wanted) or (str(error), wanted)
    return f"({reason}): {remedy}"


def require_made(setting: str, model: str) -> None:
    """Check that a network of the demo is there, before any work.

    Args:
        setting: the flag that names it, for messages.
        model: path or hub id; of others than the demo's nothing is checked.

    Raises:
        ValueError: it is not there.
    """
    if model.startswith(DEMO) and not Path(model).exists():
        reason, remedy = _of_path(model, "give one of your own") or ("it is not there", "")
        raise ValueError(f"{setting} {model!r} did not load ({reason}): {remedy}")


def _of_path(model: str, wanted: str) -> tuple[str, str] | None:
    """Reason and remedy where a path leads to no folder; None for a folder, and for what can be a hub id."""
    path = Path(model)
    if path.is_dir():
        return None
    if path.exists():
        return "it is a file, wanted a folder", wanted
    if model.startswith(MODELS):
        return "there is no such folder yet", (
            f"`make toy-models` makes {model}, and so does `make demo`; without a checkout, `ldm3d-on-ray demo "
            "--models`. A submitted job needs its absolute path"
        )
    if model.startswith(DEMO):
        return "there is no such folder yet", f"`make demo` makes {model}; or give one of your own"
    if model.startswith(("/", ".", "~")) or model.count("/") > 1 or "\\" in model:
        return "there is no such folder on this machine, and a hub id has one slash", wanted
    return None


def _of_hub(model: str, revision: str | None, error: BaseException, wanted: str) -> tuple[str, str] | None:
    """Reason and remedy of what a hub answered, or did not; None for a folder, and for errors of another kind."""
    if Path(model).is_dir():
        return None
    another_kind = "the hub has it, but it is another kind of model", wanted
    if any(part in str(error) for part in OF_ANOTHER_KIND):
        return another_kind
    answer = _answer_in(error)
    if answer is None and isinstance(error, OSError) and error.errno is None:  # not of a disk, but of a library
        answer = _asked(model, revision)
        return _meaning(model, revision, answer, wanted) if answer else another_kind
    return _meaning(model, revision, answer, wanted) if answer else None


def _meaning(model: str, revision: str | None, answer: BaseException, wanted: str) -> tuple[str, str]:
    """Reason and remedy of an answer, or of its absence."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{model}"
    match answer:
        case errors.GatedRepoError():  # first, as it is a RepositoryNotFoundError, too
            token = "is not among those who may have it" if _token() else "is missing"
            return (
                f"it is gated, and your HF_TOKEN {token}",
                f"accept its terms on {page}, and set HF_TOKEN to your token, on every node",
            )
        case errors.RepositoryNotFoundError() | errors.HFValidationError():
            return (
                "the hub has no model of this name that you may see, and there is no such folder",
                f"check the name; a private model needs HF_TOKEN, on every node. Or {wanted}",
            )
        case errors.RevisionNotFoundError():
            return f"the hub has the model, but no revision {revision or 'main'!r}", f"give one that {page} lists"
        case errors.OfflineModeIsEnabled():
            return (
                "it is not in the cache, and the hub is not asked while HF_HUB_OFFLINE is set",
                f"unset HF_HUB_OFFLINE, or fill the cache of every node beforehand: hf download {model}. Or {wanted}",
            )
        case errors.RemoteEntryNotFoundError():
            return "the hub has it, but not the files of this kind of model", wanted
        case errors.HfHubHTTPError():
            return f"the hub answered with an error: {' '.join(str(answer).split())}", "try again later"
    silence = " ".join(str(answer).split())
    return (
        f"it is not in the cache, and the hub could not be reached: {silence}",
        f"check the network and proxies of every node, or fill their caches elsewhere: hf download {model}",
    )


def _answer_in(error: BaseException) -> BaseException | None:
    """Find the hub's answer in the causes of an exception; where it gave none, what kept it, such as `refused`."""
    from huggingface_hub import errors

    answers = errors.HfHubHTTPError, errors.OfflineModeIsEnabled, errors.HFValidationError
    found = list(_causes(error))
    if answered := [each for each in found if isinstance(each, answers)]:
        return answered[0]
    return found[-1] if any(isinstance(each, errors.LocalEntryNotFoundError) for each in found) else None


def _asked(model: str, revision: str | None) -> Exception | None:
    """Ask the hub whether it has a model, where a library kept its answer to itself. None if it has."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(model, revision=revision, timeout=10.0)
    except Exception as answer:  # what the HTTP client of this version of the library raises
        return answer
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None
