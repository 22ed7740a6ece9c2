"""The library page: folders, grid, similar photos, preview."""
