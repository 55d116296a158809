"""Records of the ledger, and the contract with the rebuild pipeline."""
