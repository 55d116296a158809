"""The commands for a person at a desk: `plan`, `bump` and `init` work on any folder, with no Azure at all."""
