"""Ray workers that start warm: forked from one process that has already imported what all of them import.

By itself each worker imports torch, transformers and more for 3 to 7 seconds of CPU before it does anything, and every
stage starts some. A cluster that a run starts for itself on a machine without GPUs starts them warm. On all others
Ray starts workers as usual: a library that looks at a GPU when it is imported would break it for every fork.
`LDM3D_WARM_WORKERS=0` in the environment switches this off.

The workers are real in most else: each is a process of its own, has its own environment, registers with the raylet,
and can be killed. But libraries have read the environment of the driver when they were imported, so workers that are
given variables of their own start cold, except for Ray's; and they share the seed of string hashes, and so the order
of sets.
"""
