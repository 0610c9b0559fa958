"""The figures: each a function of the story and a width, returning a drawing, or None where there is nothing to draw."""
