"""A simulated exchange: a seeded market with a planted signal, and the REST interface in front of it."""
