"""What outlives a call and a reload: breakers, and how many calls each backend has in hand."""
