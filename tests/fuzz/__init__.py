"""Generated pictures, HTTP answers and tables: whatever comes, each row ends as kept or with a reason.

`make test` runs a hundred of each, always the same; `make fuzz` ten thousand of each, with `SEED=1` others. What fails
is made small and printed as code.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings


def examples(at_once: int = 1) -> Callable[[Any], Any]:
    """Set how often a test runs that takes about `at_once` inputs at a time."""
    is_thorough = settings.get_current_profile_name() == "fuzz"
    return settings(
        max_examples=(10_000 if is_thorough else 100) // at_once,
        derandomize=not is_thorough,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
