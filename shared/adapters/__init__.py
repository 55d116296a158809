"""The ports fulfilled with Azure's SDKs. Vendor errors become those of `shared.errors` here and nowhere else."""
