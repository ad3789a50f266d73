"""What is asked of a parsed piece of JavaScript: its arguments, its comments, the characters a literal stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tree_sitter import Node

from realtime.legacy_values import Entry, Group, Place, Value

_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|[\n\r\u2028\u2029])|(.))",
    re.DOTALL,
)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


def never_closed(node: Node) -> Node | None:
    """The innermost bracket that a broken piece opens and does not close."""
    if not node.is_error:
        return None
    waiting: list[Node] = []
    for child in node.children:
        if child.type in ("{", "[", "("):
            waiting.append(child)
        elif child.type in ("}", "]", ")") and waiting:
            waiting.pop()
    return waiting[-1] if waiting else None


def every_node(node: Node) -> Iterator[Node]:
    """Every node below and with this one, in the order of the text, without recursion."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(found.children))


def summands(node: Node) -> list[Node]:
    """`a + b + c`, however long, without recursion."""
    parts: list[Node] = []
    while node.type == "binary_expression":
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is None or right is None or operator is None or operator.type != "+":
            break
        parts.append(right)
        node = left
    return [node, *reversed(parts)]


def unescape(raw: str, *, template: bool = False) -> str:
    """The escapes of ECMAScript, 12.9.4; in a template literal CRLF is LF (12.9.6)."""
    if template:
        raw = raw.replace("\r\n", "\n").replace("\r", "\n")
    if "\\" not in raw:
        return raw
    text = _ESCAPE.sub(_unescaped, raw)
    # Two escapes may be the halves of one character; a half alone is none.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(found: re.Match[str]) -> str:
    code, unit, byte, newline, plain = found.groups()
    number = code or unit or byte
    if number is not None:
        return chr(int(number, 16)) if int(number, 16) <= 0x10FFFF else "\ufffd"
    return "" if newline is not None else _PLAIN_ESCAPES.get(plain, plain)


def numbered(entries: Sequence[Entry], at: Place) -> Group:
    numbered = tuple(
        Entry(key=str(number), value=one.value, at=one.at, comments=one.comments, section=one.section)
        for number, one in enumerate(entries, 1)
    )
    return Group(entries=numbered, at=at, is_list=True)


def amended(value: Value, path: Sequence[str], added: Entry) -> Value:
    """`table.category.key = …` after the table itself."""
    if not isinstance(value, Group):
        return value
    if len(path) == 1:
        return Group(entries=(*value.entries, added), at=value.at, is_list=value.is_list)
    if value.get(path[0]) is None:
        added = replace(added, key=path[0], value=Group(entries=(added,), at=added.at))
        return amended(value, path[:1], added)
    entries = tuple(
        replace(entry, value=amended(entry.value, path[1:], added)) if entry.key == path[0] else entry
        for entry in value.entries
    )
    return Group(entries=entries, at=value.at, is_list=value.is_list)


def comments_above(node: Node) -> list[Node]:
    """The comments that end on the line above, and those directly above them."""
    found: list[Node] = []
    row, before = node.start_point.row, node.prev_sibling
    while before is not None and before.type == "comment" and before.end_point.row >= row - 1:
        found.insert(0, before)
        row, before = before.start_point.row, before.prev_sibling
    return found


def is_behind(comment: Node) -> bool:
    """Whether a comment follows something on its own line."""
    before = comment.prev_sibling
    return before is not None and before.end_point.row == comment.start_point.row and before.type != "{"


def arguments(node: Node) -> list[Node]:
    listed = node.child_by_field_name("arguments")
    return [one for one in listed.named_children if one.type != "comment"] if listed is not None else []


def argument(node: Node) -> Node | None:
    """The one thing in brackets."""
    inside = arguments(node) if node.type == "call_expression" else node.named_children
    return next((one for one in inside if one.type != "comment"), None)


def returned(function: Node) -> Node | None:
    """What a function gives back, when it does nothing else."""
    body = function.child_by_field_name("body")
    if body is None or body.type != "statement_block":
        return body
    statements = [one for one in body.named_children if one.type != "comment"]
    if len(statements) != 1 or statements[0].type != "return_statement":
        return None
    return next((one for one in statements[0].named_children if one.type != "comment"), None)


def is_require(node: Node) -> bool:
    while node.type == "member_expression":
        owner = node.child_by_field_name("object")
        if owner is None:
            return False
        node = owner
    function = node.child_by_field_name("function")
    return function is not None and function.text == b"require"
