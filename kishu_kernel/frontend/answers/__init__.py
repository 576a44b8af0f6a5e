"""The `kishu_request` protocol: what can be asked, and the answers, fit to be sent as JSON."""
