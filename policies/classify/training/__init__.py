"""How the shipped weights are made from public data; nothing of it runs in the proxy, and nothing imports it."""
