"""How proxy.yaml becomes values: its grammar, its source with lines, its environment, its checks."""
