"""Answers that are too bad to be given while a better backend is left."""
