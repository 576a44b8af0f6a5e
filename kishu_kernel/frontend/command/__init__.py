"""The command line `jupyter kishu`: histories from a terminal, with a live kernel or without one."""
