"""Many requests drawn at once by one model, batched at every denoising step."""
