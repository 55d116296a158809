"""Makes plans at a branch's tip."""
