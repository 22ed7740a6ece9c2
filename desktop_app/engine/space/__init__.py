"""The library as a plane: layout, clusters, and places for new photos."""
