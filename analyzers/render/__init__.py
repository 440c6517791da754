"""A report as words: text for a terminal, JSON for programs."""
