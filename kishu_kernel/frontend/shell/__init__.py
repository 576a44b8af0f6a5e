"""One IPython shell and its session, from the first cell to the end of the process.

- The shell: `tracked_shell`. The cells: `recorded_cell`, `output_recorder`, `cell_transform`.
- What runs outside of cells, and whose code it is: `background_code`, `notebook_code`. Cells with which nothing
  else runs: `contained_cells`.
- A cell run again for a checkout: `cell_runner`. The source of an earlier cell: `cell_finder`.
- The session begins: `beginning`. The store opens: `store_opener`. The process ends: `shutdown`.
- What a person is told: `history_notice`, `progress_line`, `user_warnings`. What a person chooses: `settings`.
"""
