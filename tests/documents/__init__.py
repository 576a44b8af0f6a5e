"""What the documents show is so: every block of code and every command of theirs is run."""
