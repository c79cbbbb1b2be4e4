"""The networks of LDM3D, built from a Stable Diffusion checkpoint: only the autoencoder differs from the original."""
