"""What several stages write into the ledger."""
