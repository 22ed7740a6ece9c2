"""Training of encoders and generators."""
