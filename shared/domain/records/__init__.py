"""What the ledger remembers, and the names that the app and the pipeline have in common."""
