"""The maths of importance: classifier, noise channel, neighbours, sensitivity."""
