"""The library on disk: photos, thumbnails, embeddings and the index over them."""
