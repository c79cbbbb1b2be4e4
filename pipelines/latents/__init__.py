"""The parts of `encode_latents`."""
