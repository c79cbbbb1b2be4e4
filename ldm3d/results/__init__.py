"""The numbers of an evaluation: metrics, protocols, history, verdicts, and the paper's numbers."""
