"""The agent: runs a pipeline's YAML and templates step by step, in real processes.

It knows a closed list of what Azure Pipelines knows and refuses everything else by name: what it runs, it runs as the
service does. Its parts: `expressions` and `template` (compile time), `pipeline` (what is left to run), `runner`,
`tasks` and `commands` (run time), `record` (what the service shows of a run).
"""
