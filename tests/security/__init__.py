"""Files of strangers: what they try, and that nothing of it happens."""
