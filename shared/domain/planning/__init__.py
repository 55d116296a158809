"""Plans: what each release means for each environment, and the edits that follow."""
