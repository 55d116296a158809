"""What the product costs, and how that grows: `make bench`."""
