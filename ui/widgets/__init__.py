"""Widgets that know nothing of photos, faces or models."""
