"""Files as text, YAML nodes and plain values, with the place of everything in them."""
