"""JavaScript and JSON are read as values, with their places and comments, and nothing in them is ever run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.legacy_javascript import MAX_DEPTH, read_javascript, read_json
from realtime.legacy_values import (
    Flag,
    Group,
    Number,
    Pattern,
    Text,
    Unknown,
    UnreadableSource,
    Value,
)


def plain(value: Value) -> Any:
    """As Python has it."""
    match value:
        case Text() | Flag():
            return value.value
        case Number():
            return json.loads(value.written)
        case Group() if value.is_list:
            return [plain(entry.value) for entry in value.entries]
        case Group():
            return {entry.key: plain(entry.value) for entry in value.entries}
        case Pattern():
            return f"/{value.source}/"
        case Unknown():
            return value


def tables(text: str) -> dict[str, Any]:
    return {entry.key: plain(entry.value) for entry in read_javascript(text, name="t.js").tables}


def refusal(read: Any, text: str) -> UnreadableSource | None:
    try:
        read(text, name="t.js")
    except UnreadableSource as refused:
        return refused
    return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("module.exports = {a: 'b'};", {"": {"a": "b"}}),
        ("exports.greeting = 'hi';", {"greeting": "hi"}),
        ("module.exports.greeting = 'hi';", {"greeting": "hi"}),
        ("const T = {a: 'b'}; module.exports = { T };", {"T": {"a": "b"}}),
        ("const T = {a: 'b'}; module.exports = T;", {"T": {"a": "b"}}),
        ("export const T = {a: 'b'};", {"T": {"a": "b"}}),
        ("const T = ['a']; export default T;", {"T": ["a"]}),
        ("const T = {a: 'b'}; export { T as U };", {"T": {"a": "b"}}),
        (
            "export default {a: {b: ['c', 1.5, -2, true, null]}};",
            {"": {"a": {"b": ["c", 1.5, -2, True, None]}}},
        ),
        ("export default Object.freeze({a: 'b'});", {"": {"a": "b"}}),
        ("const T = {}; T.a = 'b'; T['c'] = 'd';", {"T": {"a": "b", "c": "d"}}),
        ("const T = {a: {}}; T.a.b = 'c'; T.d.e = 'f';", {"T": {"a": {"b": "c"}, "d": {"e": "f"}}}),
    ],
)
def test_tables_are_found_however_a_module_gives_them_out(text: str, expected: dict[str, Any]) -> None:
    assert tables(text) == expected


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'a' + \"b\" + `c`", "abc"),
        ("`Hello ${name}, this is ${COMPANY}.`", "Hello {{name}}, this is Harbour."),
        ("`${user.name} ${user['phone']}`", "{{name}} {{phone}}"),
        ("['one', 'two'].join('\\n')", "one\ntwo"),
        ("'  padded '.trim()", "padded"),
        ("process.env.X || 'fallback'", "fallback"),
        ("({ name, day }) => `Dear ${name}, on ${day}.`", "Dear {{name}}, on {{day}}."),
        ("function (v) { return 'Dear ' + v.name; }", "Dear {{name}}"),
        ("STATES.WAITING", "waiting"),
        ("STATES['WAITING']", "waiting"),
        ("LIST[1]", "two"),
        ("[...LIST, 'three']", ["one", "two", "three"]),
        ("({...STATES, B: 'b'})", {"WAITING": "waiting", "B": "b"}),
        ("({[STATES.WAITING]: 'x'})", {"waiting": "x"}),
        ("LIST.concat(['three'])", ["one", "two", "three"]),
        ("new Map([['k', 'v']])", {"k": "v"}),
        ("new Set(['k'])", ["k"]),
        ("'\\u3042\\x41\\u{1f600}\\ud83d\\ude00\\n\\'\\\nz'", "あA😀😀\n'z"),
        ("/^(a|b)$/i", "/^(a|b)$/"),
    ],
)
def test_what_can_be_known_without_running_is_known(expression: str, value: Any) -> None:
    known = "const COMPANY='Harbour', LIST=['one','two'], STATES={WAITING:'waiting'};"

    assert tables(f"{known}\nconst T = {{a: {expression}}};")["T"] == {"a": value}


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("other", "not defined in this file"),
        ("require('./x').a", "not defined in this file"),
        ("STATES.GONE", "dangling"),
        ("pick(['a'])", "running"),
        ("day ? 'a' : 'b'", "condition"),
        ("(x) => { log(x); return 'a'; }", "function"),
        ("T", "refers to itself"),
    ],
)
def test_what_only_running_would_tell_is_kept_with_the_reason(expression: str, why: str) -> None:
    value = tables(f"const STATES = {{A: 'a'}};\nconst T = {{a: {expression}}};")["T"]["a"]

    assert isinstance(value, Unknown)
    assert why in value.why
    assert value.written.replace(" ", "") == expression.replace(" ", "")


def test_comments_stay_with_the_entry_they_stand_at() -> None:
    text = """const T = {
  // ==== Booking ====
  // asked for a day
  ask: 'Which day?', // may be left out
  /* two
   * lines */
  confirm: 'Right?',
  // ---- Ends ----

  bye: 'Goodbye.',
};"""
    group = read_javascript(text, name="t.js").tables[0].value
    assert isinstance(group, Group)

    assert [(entry.key, entry.comments, entry.section) for entry in group.entries] == [
        ("ask", ("asked for a day", "may be left out"), "Booking"),
        ("confirm", ("two", "lines"), "Booking"),
        ("bye", (), "Ends"),
    ]


def test_places_count_characters_not_bytes() -> None:
    source = read_javascript("const T = {\n  'あいう': 'え', b: 'f' };", name="t.js")

    assert [(text.value, text.at.line, text.at.column) for text in source.literals] == [
        ("あいう", 2, 3),
        ("え", 2, 10),
        ("f", 2, 18),
    ]


def test_nothing_is_run(tmp_path: Any) -> None:
    victim = tmp_path / "made-by-the-file"
    text = f"""
    require('fs').writeFileSync({json.dumps(str(victim))}, 'x');
    while (true) {{}}
    process.exit(1);
    const T = {{ get a() {{ process.exit(1); }}, b: 'still here', [process.exit(1)]: 'c' }};
    """
    source = read_javascript(text, name="t.js")

    assert not victim.exists()
    assert [text.value for text in source.literals] == ["fs", str(victim), "x", "still here", "c"]
    assert [remark.at.line for remark in source.code] == [2, 3, 4]


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("const a = {\n  b: 'c',\n", 1, 11, "never closed"),
        ("const a = {\n  b: 'c'\n  d: 'e',\n};", 2, 6, "not JavaScript near"),
        ("interface A { b: string }", 1, 1, "not JavaScript near"),
        ("a b c", 1, 1, "not JavaScript near"),
        ("\0", 1, 1, "not JavaScript"),
    ],
)
def test_a_mistake_is_reported_where_it_stands(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(UnreadableSource) as caught:
        read_javascript(text, name="t.js")

    assert (caught.value.line, caught.value.column) == (line, column)
    assert what in caught.value.what
    assert str(caught.value).startswith(f"t.js:{line}:{column}: ")
    assert "mend the line" in caught.value.fix


def test_a_mistake_in_json_is_told_as_json() -> None:
    with pytest.raises(UnreadableSource) as caught:
        read_json('{\n  "a": "b"\n  "c": 1\n}', name="t.json")

    assert (caught.value.line, caught.value.column) == (3, 3)
    assert "Expecting ',' delimiter" in caught.value.what


def test_json_may_hold_comments_and_trailing_commas() -> None:
    source = read_json('{\n  // why\n  "a": ["b",],\n}', name="t.json")

    assert plain(source.tables[0].value) == {"a": ["b"]}
    assert source.literals[0].at.line == 3


@pytest.mark.parametrize("text", ["[" * 100_000, "(" * 100_000, "const a = " + "[" * 500 + "]" * 500])
def test_nesting_has_an_end(text: str) -> None:
    with pytest.raises(UnreadableSource):
        read_javascript(text, name="t.js")
    with pytest.raises(UnreadableSource):
        read_json(text, name="t.json")


def test_nesting_that_people_write_is_read() -> None:
    depth = MAX_DEPTH - 10

    assert tables("const a = " + "[" * depth + "]" * depth)


@pytest.mark.parametrize(
    "step", ["[a{0}, a{0}]", "[...a{0}, ...a{0}]", "a{0}[0] + a{0}[0]", "({{x: a{0}, y: a{0}}})"]
)
def test_tables_that_insert_one_another_do_not_grow_without_end(step: str) -> None:
    text = "const a0 = ['some text'];\n" + "\n".join(f"const a{i + 1} = {step.format(i)};" for i in range(50))

    refused = refusal(read_javascript, text)

    assert refused is not None
    assert "insert one another" in refused.what


@given(st.text())
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    for read in (read_javascript, read_json):
        refused = refusal(read, text)
        assert refused is None or (refused.line >= 1 and refused.column >= 1)


PIECES = [
    *"{}[](),:;\"'`.=+-?/\\#\n", "${", "...", "=>", "||", "//", "/*", "*/", "const", "export", "default",
    "a", "b", "1", "module.exports", "0.5", "true", "null", "'text'", "`t${a}`", "function", "return", "new", "Map",
    "Object.freeze", "async", "あ", "/re/",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))
def test_any_heap_of_javascript_is_read_or_refused(text: str) -> None:
    refused = refusal(read_javascript, text)

    assert refused is None or 1 <= refused.line <= text.count("\n") + 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_json_is_read_as_python_reads_it(value: Any, ascii_only: bool) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only, indent=1)

    assert plain(read_json(text, name="t.json").tables[0].value) == [value]
    assert tables(f"const T = ({text});") == {"T": [value]}
