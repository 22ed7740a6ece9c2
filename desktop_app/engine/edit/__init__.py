"""Edit directions in latent space: discovery, storage and use."""
