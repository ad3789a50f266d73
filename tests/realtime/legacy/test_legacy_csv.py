"""A spreadsheet of templates: the header says what a column is, and a file without one is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.legacy import migrate
from realtime.legacy_csv import read_csv
from realtime.legacy_values import UnreadableSource


def test_japanese_columns_become_guidelines() -> None:
    migration = migrate(
        "名前,キーワード,応答,備考,終話\r\n"
        '営業時間,営業時間、何時まで,"平日9時から18時です。\n土日はお休みです。",営業時間を聞かれたとき,\r\n'
        "お礼,ありがとう|助かりました,お電話ありがとうございました。,,はい\r\n",
        name="応答.csv",
    )

    hours, thanks = migration.agent.guidelines
    assert hours.situation == "営業時間を聞かれたとき"
    assert hours.callers_say == ["営業時間", "何時まで"]
    assert hours.example == "平日9時から18時です。\n土日はお休みです。"
    assert thanks.callers_say == ["ありがとう", "助かりました"]
    assert len(migration.agent.outcomes) == 1
    assert migration.agent.language == "ja"


def test_the_place_of_a_row_is_its_first_line() -> None:
    source = read_csv('keywords;response\na;"two\nlines"\nb;one\n', name="t.csv")

    assert [(text.value, text.at.line) for text in source.literals[2:]] == [
        ("a", 2),
        ("two\nlines", 2),
        ("b", 4),
        ("one", 4),
    ]


@pytest.mark.parametrize("text", ["", "a,b\nc,d\n", "open,We are open.\n"])
def test_a_file_without_a_column_of_answers_is_refused(text: str) -> None:
    with pytest.raises(UnreadableSource, match="no column of answers") as caught:
        read_csv(text, name="t.csv")

    assert "keywords,response" in caught.value.fix


def test_an_open_quote_is_refused_with_its_line() -> None:
    with pytest.raises(UnreadableSource, match="not CSV"):
        read_csv('response\n"never closed\n', name="t.csv")


def refused(text: str) -> bool:
    try:
        read_csv(text, name="t.csv")
    except UnreadableSource:
        return True
    return False


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    assert refused(text) in (True, False)
    assert refused(f"response,keywords\n{text}") in (True, False)
