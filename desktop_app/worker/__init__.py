"""The engine thread and the handles by which the window follows its jobs."""
