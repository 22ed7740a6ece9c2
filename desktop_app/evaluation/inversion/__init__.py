"""Inversion methods compared over a folder of photos: measured, tabulated, drawn as one page."""
