"""Measuring models over folders: tables and reports."""
