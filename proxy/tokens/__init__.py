"""The tokens of a text, counted: by vocabularies of our own, by a file of the operator's, or by the server itself."""
