"""The front end in the FiftyOne App: operators, the panel, and what both share."""
