"""Steps of both trainings: (modules, batch, noise) -> losses. No loop, no files, no global random state.

Autoencoder, equation 1 of the paper: `reconstructor` runs it, `reconstruction` measures L1, LPIPS (`perceptual`) and
KL, `autoencoder_step` adds the `discriminator`. U-Net, equation 2: `noise_schedule`, `denoising`. Both: the random
numbers of a sample (`noise`), `learning_rate`, `ema`, bad steps (`guard`), means over workers (`ranks`).
"""
