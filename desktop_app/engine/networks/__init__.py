"""Network modules with the key names of the official checkpoints."""
