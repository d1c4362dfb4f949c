"""The operators of the FiftyOne App, one a file."""
