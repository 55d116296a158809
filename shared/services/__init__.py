"""The use cases, written on ports: each looks, then acts, then records, so that it can be repeated at any point."""
