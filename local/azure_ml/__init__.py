"""An Azure ML stand-in that the unmodified azure-ai-ml talks to over TLS, under Azure's own host names.

`server` answers for management.azure.com, `proxy` leads the SDK there and its uploads to Azurite. It shows what is
registered; it builds no image.
"""
