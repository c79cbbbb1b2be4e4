"""What holds for every test: nothing calls home, nothing asks a model hub, and no example fails for being slow."""

import os

from hypothesis import settings

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # img2dataset brings albumentations, which else asks a package index
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

settings.register_profile("no deadline", deadline=None)
settings.register_profile("fuzz", deadline=None)  # tests/fuzz says what that changes
settings.load_profile("no deadline")
