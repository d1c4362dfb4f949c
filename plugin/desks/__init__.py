"""Where people answer: Label Studio, or the FiftyOne App."""
