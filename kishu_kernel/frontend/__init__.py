"""The only part that knows Jupyter and IPython. A room for each thing.

* `kernel/`: the kernel "Python 3 (Kishu)", `%load_ext kishu_kernel` for others, options, launching and installing.
* `shell/`: one IPython shell and its session: a cell begins, runs and ends, the store opens, the process ends.
* `protocol/`: answers `kishu_request` messages. `protocol/operations` lists all operations.
* `magic/`: `%kishu`, its parser, help and completion.
* `pages/`: replies as plain text and as HTML.
* `panel/`: `%kishu panel`; its `static/` has the timeline in the browser, which JupyterLab's sidebar shares.
* `command/`: the command line `jupyter kishu`.
* `mcp/`: tools for language models, by the Model Context Protocol.
* `printable`: makes text of any origin safe to print.

Imports run downwards only: kernel > magic > panel > shell > protocol, and command > mcp > pages > protocol > printable.
"""
