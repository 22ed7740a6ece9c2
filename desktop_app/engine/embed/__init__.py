"""Contrastive encoders behind one interface: images to unit-length embeddings."""
