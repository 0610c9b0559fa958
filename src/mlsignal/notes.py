"""What a person should know although nothing is wrong: a level of the log that the command line shows."""

NOTE = 25
"""Between logging.INFO and logging.WARNING: `logger.log(NOTE, ...)`."""
