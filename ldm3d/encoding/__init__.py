"""Networks that turn rows into latents and captions into text embeddings."""
