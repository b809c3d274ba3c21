"""The rule language of proxy.yaml: its words, and what compiles them into a Book that decides."""
