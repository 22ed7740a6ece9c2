"""Editing an inverted face: sliders, history, export."""
