"""Classes told apart on frozen embeddings."""
