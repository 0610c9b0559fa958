"""The figures: each a function of the story and a width, returning a drawing, or None where nothing is to be drawn."""
