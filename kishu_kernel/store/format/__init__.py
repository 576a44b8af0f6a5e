"""What stands in a store, byte by byte, and how payloads become that. Pure: no file is opened here, but for the key.

- Which key has which value, and the format's version: `schema`. Records of checkpoints, as JSON: `checkpoints`.
- Payloads to chunks and back: `chunks` takes apart and puts together, `chunking` says where to cut, `compression` and
  `blosc2_library` what to compress and how, `torn_reads` whether memory changed meanwhile.
- Whose it is: `signing` has the user's key and its signatures, `signatures` those of one store.
- What came from elsewhere: `validation` says whether a decoded value is of the kind that others take for granted.
"""
