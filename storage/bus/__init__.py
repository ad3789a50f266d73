"""Redis: events out to whoever listens, and into the streams that the worker reads."""
