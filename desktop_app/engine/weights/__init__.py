"""Model files: their manifest entries, digests and safe loading."""
