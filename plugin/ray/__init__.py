"""The same embeddings and the same importance on a Ray cluster; needs the extra `ray`."""
