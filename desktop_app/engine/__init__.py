"""Networks and image mathematics: everything that needs torch."""
