"""Answers `kishu_request` messages: the protocol. A new operation goes into `operations`."""
