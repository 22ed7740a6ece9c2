"""How near a reconstruction is to its photo, by several measures; each names its weights."""
