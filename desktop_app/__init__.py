"""Contrastyle: browse, invert and edit photos with contrastive encoders and ReStyle, offline."""

__version__ = "0.1.0"
