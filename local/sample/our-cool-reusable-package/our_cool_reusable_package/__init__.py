"""Code that all our training jobs share."""

__version__ = "1.0"


def greet(name: str) -> str:
    """Return a friendly greeting."""
    return f"Hello {name}, this is our_cool_reusable_package {__version__}"
