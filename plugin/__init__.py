"""Find and fix wrong labels in image data, inside FiftyOne, with Label Studio for the human eyes."""
