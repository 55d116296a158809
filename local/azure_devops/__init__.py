"""An Azure DevOps stand-in: a real git repository, a real package index, service hooks and a pipeline queue.

The product talks to it with the same SDKs and requests as to the service; what it answers is held against the official
descriptions of the REST API by contract tests. `api` is the dispatch, one module is one part of the service.
"""
