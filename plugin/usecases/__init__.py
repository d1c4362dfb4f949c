"""The use cases, one file each; `loop.py` gives them their public names."""
