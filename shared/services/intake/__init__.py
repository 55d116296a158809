"""Takes in what arrives from outside."""
