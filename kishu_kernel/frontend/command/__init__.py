"""`jupyter kishu`: histories from a terminal, with or without a kernel."""
