"""Inversion: from an aligned image to a latent code, step by step."""
