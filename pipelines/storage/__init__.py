"""Files and what they promise: folders anywhere, shards exactly once, a run's output. Never imports Ray."""
