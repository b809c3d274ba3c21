"""The only place that opens sockets to a backend: one seam, and the engine that stands behind it."""
