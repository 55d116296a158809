"""The product: what the Function app, the command line and the rebuild pipeline's steps run.

`domain` decides (pure), `ports` names what the outside has to offer, `services` are the use cases written on them,
`adapters` fulfil the ports with Azure's SDKs, `composition` wires them together, `triggers` is the thin layer under
function_app.py. Imports point inward: domain ← ports ← services ← composition → adapters.
"""
