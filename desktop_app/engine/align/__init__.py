"""From a photo to an aligned face and back into the photo."""
