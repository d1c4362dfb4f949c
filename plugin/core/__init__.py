"""Pure maths and rules: arrays and plain objects in, arrays and plain objects out."""
