"""The program without a window: the same jobs, from a terminal."""
