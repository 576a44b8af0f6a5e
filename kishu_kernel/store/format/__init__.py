"""What stands in a store, byte by byte, and how payloads become that. Pure: no file is opened here but those of keys.

- `schema`: the tables, their keys and manifests, with the format's history. `checkpoints`: the records.
- `chunks`: a payload split into chunks and joined again. `chunking`: where to cut. `compression`, `shuffled`,
  `palette`, `zstd`: single chunks. `torn_reads`: memory that changed meanwhile.
- `signing`: the user's key. `signatures`: values signed for one store. `signing_policy`: what a person chose of them.
- `seals`: signatures that others can check. `team`, `team_files`: whose are believed. `key_files`: whom they belong to.
- `documents`: the cells of a notebook.
- `validation`: rows that somebody else may have written.
"""
