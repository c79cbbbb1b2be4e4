"""What the stages share of Ray: the connection, who gets which CPUs, streams of shards, progress."""
