"""Checks that nothing which trains or judges a model has seen the future: pure, seeded, each naming its culprit."""
