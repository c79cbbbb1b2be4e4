"""One question a script: how our stages compare with their peers, measured side by side in one run."""
