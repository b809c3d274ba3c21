"""What is seen from outside: metrics, traces and logs, with every name in one table (``names``)."""
