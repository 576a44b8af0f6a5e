"""Answers `kishu_request` messages: the protocol. A new operation goes into `operations`.

- A request comes in: `request_handler`; it is checked by `parameters`.
- Operations: `reading` those that only look, `live_operations` those that need a session (`session_host`).
- A reply goes out: `content`; outputs of cells through `output_gate`, exported notebooks by `notebook_export`.
"""
