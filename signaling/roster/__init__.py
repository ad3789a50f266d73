"""The desk's directory in Redis, shared by all nodes: who is there, who is reserved, who waits."""
