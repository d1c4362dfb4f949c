"""Cleaned labels as what other programs read: one file per format."""
