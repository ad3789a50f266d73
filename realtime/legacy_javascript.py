"""JavaScript and JSON as static values: parsed with tree-sitter's grammar, never run.

Resolved: names of the same file, members of them, spreads, joined strings, template literals, the few calls
that change nothing (`Object.freeze`, `[…].join`, `.trim`), defaults (`process.env.X || "…"`), and functions
that only return a text (their parameters become `{{name}}`). The rest is kept as `Unknown` with its source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence, Set
from typing import NoReturn

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from realtime import legacy_syntax as syntax
from realtime.legacy_values import (
    Entry,
    Flag,
    Group,
    Number,
    Pattern,
    Place,
    Remark,
    Source,
    Text,
    Unknown,
    UnreadableSource,
    Value,
    written,
)

_LANGUAGE = Language(tree_sitter_javascript.language())
# Deeper than any table that people write, and far from the end of Python's stack.
MAX_DEPTH = 60
# Some hundred times what a large file of templates holds.
MAX_VALUES = 500_000
_HEADING = re.compile(r"[=\-─━*#■◆●▼~]{3,}|^[■◆●▼【#]")
_FRAME = re.compile(r"^[\s/*=\-─━#~]+|[\s/*=\-─━#~]+$")
_FUNCTIONS = ("arrow_function", "function_expression", "function", "method_definition")
_UNCHANGED = ("Object.freeze", "Object.seal")


def read_javascript(text: str, *, name: str) -> Source:
    """A CommonJS or ES module. Raises UnreadableSource where the text is not JavaScript."""
    return _Reader(text, name).source()


def read_json(text: str, *, name: str) -> Source:
    """A JSON document; comments and trailing commas pass. Raises UnreadableSource where it is none."""
    try:
        # In brackets it is an expression, and stays on its lines.
        return _Reader(f"({text}\n)", name, shift=1).source()
    except UnreadableSource:
        raise _json_error(text, name) from None


def _json_error(text: str, name: str) -> UnreadableSource:
    fix = "mend the JSON there, or save the file as .js if it is JavaScript"
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return UnreadableSource(name, error.lineno, error.colno, f"not JSON: {error.msg}", fix)
    except RecursionError:
        pass
    return UnreadableSource(name, 1, 1, f"nested deeper than {MAX_DEPTH} levels, or not JSON", fix)


class _Reader:
    """One file. Names are looked up when they are needed, each once at a time, so circles end as Unknown."""

    def __init__(self, text: str, name: str, *, shift: int = 0) -> None:
        # A byte-order mark is no part of the text; a lone surrogate cannot be written in UTF-8.
        self._bytes = text.removeprefix("\ufeff").encode("utf-8", "replace")
        self._lines = self._bytes.split(b"\n")
        self._name = name
        self._shift = shift
        self._root = Parser(_LANGUAGE).parse(self._bytes).root_node
        self._bindings: dict[str, Node] = {}
        self._amendments: dict[str, list[tuple[list[str], Node]]] = {}
        self._defaults: list[Node] = []
        self._named: list[tuple[str, Node]] = []
        self._code: list[Remark] = []
        self._notes: list[Remark] = []
        self._functions: set[str] = set()
        self._looked_up: set[str] = set()
        self._found: dict[str, tuple[Value, int]] = {}
        self._cost = 0
        self._consumed: set[str] = set()
        self._depth = 0

    def source(self) -> Source:
        """Everything in the file."""
        self._refuse_errors()
        for statement in self._root.named_children:
            self._statement(statement)
        tables = [self._binding(name) for name, node in self._bindings.items() if not self._is_known(node)]
        tables += [self._entry(key, node, node) for key, node in self._named]
        tables += filter(None, [self._exported(node) for node in self._defaults])
        tables = [table for table in tables if table.key not in self._consumed]
        return Source(
            name=self._name,
            tables=tuple(tables),
            literals=tuple(self._literals()),
            comments=tuple(self._comments()),
            code=tuple(sorted(set(self._code), key=lambda remark: remark.at)),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    # -- the file's statements --------------------------------------------------------------------------

    def _statement(self, node: Node) -> None:
        kind = node.type
        if kind in ("lexical_declaration", "variable_declaration"):
            for declarator in node.named_children:
                self._declaration(declarator)
        elif kind == "export_statement":
            self._export(node)
        elif kind == "expression_statement":
            self._expression(node.named_children[0] if node.named_children else node)
        elif kind not in ("comment", "empty_statement", "hash_bang_line"):
            name = node.child_by_field_name("name")
            if name is not None:
                self._functions.add(self._text(name))
            self._is_code(node)

    def _declaration(self, node: Node) -> None:
        if node.type != "variable_declarator":
            return
        target, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if target is None or value is None or target.type != "identifier" or syntax.is_require(value):
            self._is_code(node)
            return
        name = self._text(target)
        if value.type in _FUNCTIONS and syntax.returned(value) is None:
            self._functions.add(name)
            self._is_code(node)
            return
        self._bindings[name] = value

    def _export(self, node: Node) -> None:
        declaration = node.child_by_field_name("declaration")
        value = node.child_by_field_name("value")
        if declaration is not None:
            self._statement(declaration)
        elif value is not None and value.type == "identifier":
            return  # `export default NAME`: the name has its own table
        elif value is not None:
            self._defaults.append(value)
        elif node.child_by_field_name("source") is not None:
            self._is_code(node)

    def _expression(self, node: Node) -> None:
        if node.type in ("object", "array", "parenthesized_expression"):
            self._defaults.append(node)
            return
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if node.type != "assignment_expression" or left is None or right is None:
            self._is_code(node)
            return
        target = self._dotted(left)
        if target in ("module.exports", "exports", "exports.default"):
            if right.type != "identifier" or self._text(right) not in self._bindings:
                self._expression_value(right)
            return
        path = (target or "").removeprefix("module.").split(".")
        if len(path) == 2 and path[0] == "exports":
            self._export_name(path[1], right)
        elif len(path) > 1 and path[0] in self._bindings:
            self._amendments.setdefault(path[0], []).append((path[1:], right))
        else:
            self._is_code(node)

    def _expression_value(self, node: Node) -> None:
        """`module.exports = exports = X` leads to X."""
        if node.type == "assignment_expression":
            self._expression(node)
        else:
            self._defaults.append(node)

    def _export_name(self, key: str, node: Node) -> None:
        if node.type == "identifier" and self._text(node) in self._bindings:
            return
        if node.type in _FUNCTIONS and syntax.returned(node) is None:
            self._is_code(node)
            return
        self._named.append((key, node))

    def _exported(self, node: Node) -> Entry | None:
        """What an export holds beside names that have tables of their own."""
        while node.type == "parenthesized_expression" or self._is_unchanged(node):
            inner = syntax.argument(node)
            if inner is None:
                return None
            node = inner
        if node.type != "object":
            return Entry(key="", value=self._value(node), at=self._at(node))
        group = self._group(node, known={*self._bindings, *self._functions})
        return Entry(key="", value=group, at=group.at) if group.entries else None

    def _is_code(self, node: Node) -> None:
        first = self._text(node).strip().splitlines()[0][:100] if self._text(node).strip() else node.type
        self._code.append(Remark(at=self._at(node), text=first))

    # -- values -----------------------------------------------------------------------------------------

    def _is_known(self, node: Node) -> bool:
        return node.type == "identifier" and self._text(node) in self._bindings

    def _binding(self, name: str) -> Entry:
        node = self._bindings[name]
        statement = node.parent.parent if node.parent is not None and node.parent.parent is not None else node
        while statement.parent is not None and statement.parent.type == "export_statement":
            statement = statement.parent
        above = syntax.comments_above(statement)
        comments = [text for comment in above for text in self._comment_lines(comment)]
        return Entry(
            key=name, value=self._named_value(name), at=self._at(node), comments=tuple(comments), section=None
        )

    def _named_value(self, name: str) -> Value:
        """The value of a name of this file, with what later lines add to it."""
        node = self._bindings[name]
        if self._is_known(node) and name not in self._looked_up:
            self._looked_up.add(name)  # `const S = STATES`: another name for the same table
            value = self._named_value(self._text(node))
            self._looked_up.discard(name)
            return value
        if name in self._found:
            value, cost = self._found[name]
            self._spend(cost, node)
            return value
        if name in self._looked_up:
            return Unknown(written=name, why="it refers to itself", at=self._at(node))
        self._looked_up.add(name)
        before = self._cost
        value = self._value(node)
        for path, right in self._amendments.get(name, []):
            value = syntax.amended(value, path, self._entry(path[-1], right, right))
        self._looked_up.discard(name)
        self._found[name] = value, self._cost - before
        return value

    def _value(self, node: Node) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(node, f"nested deeper than {MAX_DEPTH} levels")
        value = self._static(node)
        self._depth -= 1
        self._spend(1 + len(value.value) // 100 if isinstance(value, Text) else 1, node)
        return value

    def _spend(self, cost: int, node: Node) -> None:
        """Tables that insert one another many times over can grow without end."""
        self._cost += cost
        if self._cost > MAX_VALUES:
            self._refuse(node, f"its tables insert one another until there are more than {MAX_VALUES} values")

    def _refuse(self, node: Node, what: str) -> NoReturn:
        at = self._at(node)
        fix = "write what stands there as flat tables of their own"
        raise UnreadableSource(self._name, at.line, at.column, what, fix)

    def _static(self, node: Node) -> Value:
        at = self._at(node)
        match node.type:
            case "string" | "template_string":
                return Text(value=self._string(node), at=at)
            case "number":
                return Number(written=self._text(node), at=at)
            case "true" | "false" | "null" | "undefined":
                return Flag(value={"true": True, "false": False}.get(node.type), at=at)
            case "regex":
                pattern = node.child_by_field_name("pattern")
                return Pattern(source=self._text(pattern) if pattern is not None else "", at=at)
            case "object" | "array":
                return self._group(node)
            case "parenthesized_expression":
                inner = syntax.argument(node)
                return self._value(inner) if inner is not None else self._unknown(node, "nothing in it")
            case "identifier" | "shorthand_property_identifier":
                return self._identifier(node)
            case "member_expression" | "subscript_expression":
                return self._member(node)
            case "binary_expression":
                return self._binary(node)
            case "unary_expression" if self._text(node).lstrip("-+ ").replace(".", "").isdigit():
                return Number(written=self._text(node), at=at)
            case "call_expression" | "new_expression":
                return self._call(node)
            case kind if kind in _FUNCTIONS:
                returned = syntax.returned(node)
                if returned is not None:
                    value = self._value(returned)
                    if isinstance(value, Text):
                        self._notes.append(Remark(at=at, text="a function that returns this text"))
                        return value
                return self._unknown(node, "a function: what it does must become a tool or a guideline")
            case "ternary_expression":
                return self._unknown(node, "a condition: it has more than one value")
            case _:
                return self._unknown(node, "only running the file would tell")

    def _unknown(self, node: Node, why: str) -> Unknown:
        return Unknown(written=" ".join(self._text(node).split()), why=why, at=self._at(node))

    def _identifier(self, node: Node) -> Value:
        name = self._text(node)
        if name == "undefined":
            return Flag(value=None, at=self._at(node))
        if name not in self._bindings:
            return self._unknown(node, f"{name} is not defined in this file")
        if name not in self._looked_up:
            self._consumed.add(name)  # it lives on where it is inserted
        return self._named_value(name)

    def _member(self, node: Node) -> Value:
        path = (self._dotted(node) or "").split(".")
        if path[0] not in self._bindings:
            return self._unknown(node, f"{path[0] or self._text(node)} is not defined in this file")
        value: Value | None = self._named_value(path[0])
        for step in path[1:]:
            if isinstance(value, Group) and value.is_list and step.isdigit():
                step = str(int(step) + 1)
            value = value.get(step) if isinstance(value, Group) else None
        return value if value is not None else self._unknown(node, "there is no such member: a dangling name")

    def _binary(self, node: Node) -> Value:
        operator = node.child_by_field_name("operator")
        sign = self._text(operator) if operator is not None else ""
        if sign == "+":
            return Text(value="".join(self._piece(part) for part in syntax.summands(node)), at=self._at(node))
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if sign in ("||", "??") and left is not None and right is not None:
            value = self._value(left)
            if not isinstance(value, Unknown | Flag):
                return value
            note = f"{self._text(left)} is known only while running; its default is used"
            self._notes.append(Remark(at=self._at(node), text=note))
            return self._value(right)
        return self._unknown(node, "only running the file would tell")

    def _call(self, node: Node) -> Value:
        function = node.child_by_field_name("function") or node.child_by_field_name("constructor")
        called = self._dotted(function) if function is not None else None
        arguments = [self._value(argument) for argument in syntax.arguments(node)]
        if called in (*_UNCHANGED, "Set") and len(arguments) == 1:
            return arguments[0]
        if called == "Object.assign" and all(isinstance(one, Group) for one in arguments):
            entries = [entry for one in arguments if isinstance(one, Group) for entry in one.entries]
            return Group(entries=tuple(entries), at=self._at(node))
        if called == "Map" and arguments and isinstance(arguments[0], Group):
            return self._map(arguments[0])
        if function is not None and function.type == "member_expression":
            found = self._method(function, arguments)
            if found is not None:
                return found
        return self._unknown(node, "a call: only running the file would tell")

    def _map(self, pairs: Group) -> Value:
        """`new Map([[key, value], …])`."""
        entries = [
            Entry(
                key=written(pair.value.entries[0].value), value=pair.value.entries[1].value, at=pair.at,
                comments=pair.comments, section=pair.section,
            )
            for pair in pairs.entries
            if isinstance(pair.value, Group) and len(pair.value.entries) == 2
        ]  # fmt: skip
        return Group(entries=tuple(entries), at=pairs.at)

    def _method(self, function: Node, arguments: Sequence[Value]) -> Value | None:
        owner, name = function.child_by_field_name("object"), function.child_by_field_name("property")
        if owner is None or name is None:
            return None
        value, method = self._value(owner), self._text(name)
        if isinstance(value, Text) and method in ("trim", "normalize", "toString"):
            return Text(value=value.value.strip() if method == "trim" else value.value, at=value.at)
        if not isinstance(value, Group) or not value.is_list:
            return None
        if method == "join":
            glue = arguments[0].value if arguments and isinstance(arguments[0], Text) else ","
            return Text(value=glue.join(written(entry.value) for entry in value.entries), at=value.at)
        if method == "concat":
            added = [entry for one in arguments if isinstance(one, Group) for entry in one.entries]
            return syntax.numbered([*value.entries, *added], value.at)
        return None

    # -- groups -----------------------------------------------------------------------------------------

    def _group(self, node: Node, *, known: Set[str] = frozenset()) -> Group:
        """An object or array, without the members that are just one of the `known` names."""
        entries: list[Entry] = []
        above: list[Node] = []
        section: str | None = None
        for member in node.named_children:
            if member.type == "comment":
                if entries and not above and syntax.is_behind(member):
                    last = entries[-1]
                    told = (*last.comments, *self._comment_lines(member))
                    entries[-1] = Entry(
                        key=last.key, value=last.value, at=last.at, comments=told, section=last.section
                    )
                else:
                    above.append(member)
                continue
            given = member.child_by_field_name("value") or member
            if given.type in ("identifier", "shorthand_property_identifier") and self._text(given) in known:
                continue
            own, heading = self._split(above, member)
            section = heading or section
            above = []
            entries += self._members(member, node.type == "array", tuple(own), section)
        if node.type == "array":
            return syntax.numbered(entries, self._at(node))
        return Group(entries=tuple(entries), at=self._at(node))

    def _split(self, above: Sequence[Node], member: Node) -> tuple[list[str], str | None]:
        """Comments above a member: those that stand at it, and the heading of what follows."""
        own: list[str] = []
        heading: list[str] = []
        row = member.start_point.row
        for comment in reversed(above):
            lines = self._comment_lines(comment)
            near = comment.end_point.row >= row - 1 and not heading
            if near and not _HEADING.search(self._text(comment).lstrip("/* ")):
                own[:0] = lines
                row = comment.start_point.row
            else:
                heading[:0] = lines
                row = comment.start_point.row
        return own, " ".join(heading) or None

    def _members(
        self, member: Node, in_list: bool, comments: tuple[str, ...], section: str | None
    ) -> list[Entry]:
        if member.type == "spread_element":
            inserted = self._value(member.named_children[0]) if member.named_children else None
            if isinstance(inserted, Group):
                return list(inserted.entries)
            value: Value = self._unknown(member, "what is inserted here stands in another file")
            return [Entry(key=self._text(member), value=value, at=self._at(member), comments=comments)]
        if in_list:
            return [self._entry("", member, member, comments, section)]
        if member.type == "shorthand_property_identifier":
            return [self._entry(self._text(member), member, member, comments, section)]
        key, body = member.child_by_field_name("key"), member.child_by_field_name("value")
        if member.type == "method_definition":
            name = member.child_by_field_name("name")
            return [self._entry(self._key(name or member), member, member, comments, section)]
        if key is None or body is None:
            return []
        return [self._entry(self._key(key), body, member, comments, section)]

    def _entry(
        self, key: str, node: Node, at: Node, comments: tuple[str, ...] = (), section: str | None = None
    ) -> Entry:
        return Entry(key=key, value=self._value(node), at=self._at(at), comments=comments, section=section)

    def _key(self, node: Node) -> str:
        if node.type == "string":
            return self._string(node)
        if node.type == "computed_property_name" and node.named_children:
            value = self._value(node.named_children[0])
            if isinstance(value, Text | Number):
                return written(value)
            note = f"the key {self._text(node)} is not known in this file; its last word is used"
            self._notes.append(Remark(at=self._at(node), text=note))
            return self._text(node).strip("[] ").rpartition(".")[2]
        return self._text(node)

    # -- texts ------------------------------------------------------------------------------------------

    def _string(self, node: Node) -> str:
        """The characters that a string or template literal stands for."""
        start, end = node.start_byte + 1, node.end_byte - 1
        pieces: list[str] = []
        for part in node.named_children:
            if part.type != "template_substitution":
                continue
            pieces.append(syntax.unescape(self._slice(start, part.start_byte), template=True))
            inner = part.named_children[0] if part.named_children else None
            pieces.append(self._piece(inner) if inner is not None else "")
            start = part.end_byte
        pieces.append(syntax.unescape(self._slice(start, end), template=node.type == "template_string"))
        return "".join(pieces)

    def _piece(self, node: Node) -> str:
        """What an expression contributes to a text: its value, or `{{name}}`."""
        value = self._value(node)
        if isinstance(value, Text | Number):
            return written(value)
        dotted = self._dotted(node)
        name = dotted.rpartition(".")[2] if dotted else "_".join(re.findall(r"\w+", self._text(node)))[:40]
        note = f"{self._text(node)} is known only while running; kept as the variable {name or 'value'}"
        self._notes.append(Remark(at=self._at(node), text=note))
        return f"{{{{{name or 'value'}}}}}"

    def _literals(self) -> Iterator[Text]:
        before = list(self._notes)
        for node in syntax.every_node(self._root):
            if node.type in ("string", "template_string"):
                yield Text(value=self._string(node), at=self._at(node))
        self._notes = before  # what stands inside code was not resolved for anything

    def _comments(self) -> Iterator[Remark]:
        for node in syntax.every_node(self._root):
            if node.type in ("comment", "hash_bang_line"):
                for line in self._comment_lines(node):
                    yield Remark(at=self._at(node), text=line)

    def _comment_lines(self, node: Node) -> list[str]:
        lines = [_FRAME.sub("", line) for line in self._text(node).splitlines()]
        return [line for line in lines if line]

    def _dotted(self, node: Node) -> str | None:
        """`a.b["c"][0]` as a.b.c.0; None for anything else."""
        steps: list[str] = []
        while node.type in ("member_expression", "subscript_expression"):
            step = node.child_by_field_name("property") or node.child_by_field_name("index")
            owner = node.child_by_field_name("object")
            if step is None or owner is None or step.type not in ("property_identifier", "string", "number"):
                return None
            steps.append(self._string(step) if step.type == "string" else self._text(step))
            node = owner
        if node.type not in ("identifier", "this"):
            return None
        return ".".join([self._text(node), *reversed(steps)])

    def _is_unchanged(self, node: Node) -> bool:
        function = node.child_by_field_name("function")
        return (
            node.type == "call_expression" and function is not None and self._dotted(function) in _UNCHANGED
        )

    # -- places -----------------------------------------------------------------------------------------

    def _text(self, node: Node) -> str:
        return self._slice(node.start_byte, node.end_byte)

    def _slice(self, start: int, end: int) -> str:
        return self._bytes[start:end].decode("utf-8", "replace")

    def _at(self, node: Node) -> Place:
        row, column = node.start_point
        before = self._lines[row][:column].decode("utf-8", "replace")
        return Place(row + 1, len(before) + 1 - (self._shift if row == 0 else 0))

    def _refuse_errors(self) -> None:
        if not self._root.has_error:
            return
        wrong = [node for node in syntax.every_node(self._root) if node.is_error or node.is_missing]
        opened = [bracket for node in wrong if (bracket := syntax.never_closed(node)) is not None]
        node = opened[-1] if opened else wrong[-1] if wrong else self._root
        if opened:
            what = f"{node.type!r} is never closed"
        elif node.is_missing:
            what = f"{node.type!r} is missing here"
        else:
            what = f"not JavaScript near {self._text(node).strip()[:40]!r}"
        at = self._at(node)
        raise UnreadableSource(
            self._name, at.line, at.column, what,
            "mend the line (a bracket, quote or comma is likely missing at it or just before); compile TypeScript "
            "first; name JSON and CSV files .json and .csv",
        )  # fmt: skip
