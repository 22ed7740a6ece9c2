"""Use cases, one a module, as generators that run with or without a window."""
