"""The record: the vocabulary of events, how they travel, and the rows they become.

Root files are pure; `bus/` holds Redis, `postgres/` the tables, `worker/` the process that joins them.
"""
