"""What callers may use, and how much of it is left: limits, budgets, their windows, and what they draw."""
