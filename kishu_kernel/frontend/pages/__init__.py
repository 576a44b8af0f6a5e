"""Answers as text and as HTML, for people who look. Pure: no session, no shell."""
