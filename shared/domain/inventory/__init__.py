"""The environments of a repository: found, read, and listed with all files that decide their content."""
