"""A small Functions host: what the platform's own host does around the worker, as far as this app needs it.

The worker inside is Microsoft's (`azure-functions-runtime`), so what Azure would refuse to index is refused here. What
it cannot show: scale-out, validation of host.json, the extension bundle, sign-in with Entra, deployment.
"""
