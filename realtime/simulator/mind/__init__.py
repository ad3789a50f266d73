"""The rule-driven mind of the spoken simulator: pure functions from a context to the next items.

It keeps no state of its own.  Every response reads the whole conversation again, so deletions, truncations and
seeded items take effect as they would in a model.
"""
