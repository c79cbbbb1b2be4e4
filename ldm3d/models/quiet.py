"""Libraries that say nothing while they read or write a model: our own lines say what happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Switch off the progress bars of transformers over the weights of a model, which take no time.

    Those of downloads stay: they can take long.
    """
    from transformers.utils import logging

    if not hasattr(logging, "set_tqdm_hook"):  # in early releases of version 5
        yield
        return
    before = logging.set_tqdm_hook(_disabled)
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)


def _disabled(factory: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    return factory(*args, **(settings | {"disable": True}))
