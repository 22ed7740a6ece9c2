"""Learning from the photos of the library: tuning, classes, maps, comparisons."""
