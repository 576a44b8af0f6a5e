"""How frames, series and indexes of pandas differ."""
