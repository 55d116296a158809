"""The decisions of the product as pure functions and values: no clock, no environment, no input or output.

From the bottom up; each group imports only from those listed before it:

- `names`, `releases`, `targets`, `due`, `signals`, `states`, `holds`: the words that everything else uses;
  `feed_facts` and `provenance` are what a feed states about a version.
- `files`: text with its encoding, YAML with the place of everything in it, edits.
- `rules`: `rebuilder.yml`.
- `definitions`: the formats that name requirements, one a module.
- `inventory`: the environments of a repository, and the files that decide the content of each.
- `planning`: the decision table, and the plan that follows from it.
- `records`: the entries of the ledger, and how one state becomes the next.
"""
