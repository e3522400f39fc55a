"""The commands that run in a terminal: one JSON object on stdout, progress on stderr."""
