"""A store on the disk: LMDB and its files.

- The open store: `environment`, `environment_pool` (one per directory and process), `locks`, `tables`, `identity`.
- Bytes in and out: `chunk_writer`, `chunk_reader`, `direct_reads`, `parallel`, `orphans`. Records, decoded once:
  `record_cache`.
- Files that cannot be trusted: `directory`, `integrity`, `file_monitor`, `untrusted_data_file`, `page_layout`.
- Whole files, and errors: `store_files`, `disk_errors`.
"""
