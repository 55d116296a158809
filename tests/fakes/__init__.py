"""The outside in memory. The contract tests hold each fake and its adapter to the same laws."""
