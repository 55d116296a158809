"""Follows runs to what Azure ML holds."""
