"""How far data may travel: the labels of a request, from whom they come, and what is found in its text."""
