"""Contrastyle: browse, invert and edit photos with contrastive encoders and ReStyle, offline."""

import os

# Threads of an OpenMP library wait for more work by turning in a circle, as long as a million turns. Beside
# threads that decode photos they take the time from them: with this many turns 12-megapixel photos are read a
# third faster, and a step of the face model takes some 25 ms in place of 20. Read when the library is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")


__version__ = "0.1.0"
