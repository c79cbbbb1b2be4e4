"""Ray workers that start warm: forked from one process that has already imported what all of them import.

By itself a worker imports torch, transformers and more for seconds before it does anything, and a run of the tests
starts some two hundred. The workers are real in most else: each is a process of its own, registers with the raylet,
and can be killed. But they share the seed of string hashes, and so the order of sets, which the drivers do not.
"""
