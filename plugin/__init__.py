"""Find and fix wrong labels in image data: FiftyOne for the data, Label Studio for the eyes."""
