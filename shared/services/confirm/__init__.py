"""Confirms releases on their feeds."""
