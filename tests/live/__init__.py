"""The contract suite against a real organisation: `make test-live`, explained in docs/live-tests.md.

`__main__` asks, starts and reports; `plugin` is what pytest loads for it. The same tests then run against a stand, and
`comparison` puts the two sets of answers side by side. `assumptions` lists what nobody has seen the services do.
"""
