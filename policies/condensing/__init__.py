"""Old turns, shortened by a cheap model before a dear one reads them: whether it pays, and what must survive."""
