"""Station 1: where requests come in, one room per kind."""
