"""Answers `kishu_request` messages, as PROTOCOL.md describes them. A new operation goes into `operations`."""
