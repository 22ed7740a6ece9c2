"""Values, errors, settings and paths that every layer shares."""
