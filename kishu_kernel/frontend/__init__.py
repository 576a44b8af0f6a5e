"""The only part that knows Jupyter: kernel, messages, magics, display, configuration, command line."""
