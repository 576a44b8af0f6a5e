"""What is known of the standard library: one file a subject, always there."""
