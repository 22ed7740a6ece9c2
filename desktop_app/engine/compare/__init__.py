"""Two photos side by side: where they match, and why an encoder finds them alike."""
