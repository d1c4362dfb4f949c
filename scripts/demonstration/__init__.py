"""The demo: real images with wrong labels, through the whole loop on real servers."""
