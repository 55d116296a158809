"""The rules of an environment repository: `rebuilder.yml`."""
