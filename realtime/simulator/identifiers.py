"""Identifiers in the service's style: a prefix and 21 characters, unique in the process; and its padding."""

import itertools
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_PROCESS = "".join(secrets.choice(_ALPHABET) for _ in range(10))
_count = itertools.count(1)


def new_id(prefix: str) -> str:
    """`item_Ab3…0000001`: at most 32 characters for the prefixes in use."""
    return f"{prefix}_{_PROCESS}{next(_count):011d}"


def padding(delta: str) -> str:
    """The `obfuscation` of a text delta: the service fills short ones up, so that their length tells nothing."""
    return "x" * (16 - len(delta) % 16)
