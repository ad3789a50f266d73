"""The process that turns events into rows: Redis Streams in, Postgres out, each event exactly once in effect."""
