"""The operators of the FiftyOne App, one per file."""
