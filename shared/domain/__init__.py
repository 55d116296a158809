"""The decisions of the product as pure functions and values: no clock, no environment, no input or output."""
