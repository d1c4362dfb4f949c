"""Embeddings: decoded images through a pre-trained network."""
