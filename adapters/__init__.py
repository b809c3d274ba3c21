"""Floor 1, languages: pure and synchronous, bytes in, bytes out. See README.md beside this file."""
