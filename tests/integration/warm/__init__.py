"""Ray workers that start warm: forked from one process that has already imported what all of them import.

By itself a worker imports torch, transformers and more for seconds before it does anything, and a run of the tests
starts some two hundred. The workers are real in all else: each is a process of its own, registers with the raylet, and
can be killed.
"""
