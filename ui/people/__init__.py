"""The page of people: groups of faces, names, more photos of one person."""
