"""Floor 2, decisions: pure and synchronous, values in, values out. See README.md beside this file."""
