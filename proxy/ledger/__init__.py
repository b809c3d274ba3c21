"""The book: one row per attempt, committed before the client sees the end of its answer, and the ways to read it."""
