"""Numbers of an evaluation: metrics, protocols, history, verdicts, the paper's figures."""
