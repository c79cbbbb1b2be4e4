"""Each script answers one question: how a stage of ours compares with its peers, measured side by side in one run."""
