"""The sentences that a migrated agent is written in, in the language of its templates."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Templates for `str.format`."""

    freedom: str  # how the examples are meant: the agent's instructions
    convey: str
    verbatim: str
    then_end: str
    then_hand_over: str
    then_stage: str
    then_template: str  # {situation}
    as_elsewhere: str
    decide: str
    about: str  # {name}
    meaning: str  # {name}
    speaking: str  # {name}
    in_section: str  # {section}, {name}
    goal: str
    outcome: str  # {what}
    company: str
    joint: str  # between two sentences


ENGLISH = Wording(
    freedom=(
        "Understand what callers mean, however they put it: what callers say in the guidelines are examples. "
        "Where no guideline fits, help with what you know here."
    ),
    convey="bring this across in your own words",
    verbatim="say this word for word",
    then_end=", then say goodbye and call end_call",
    then_hand_over=", then call request_operator_handoff",
    then_stage=", then go on to the stage “{stage}”",
    then_template=", then go on with “{situation}”",
    as_elsewhere="do as in the guideline “{situation}”",
    decide="understand it so, and answer as the conversation asks",
    about="it is time for “{name}”",
    meaning="the caller means “{name}”",
    speaking="the caller speaks of “{name}” or the like",
    in_section="{section}: “{name}”",
    goal="Find out what the old templates required.",
    outcome="The call ended with: {what}",
    company="the company",
    joint="; ",
)

JAPANESE = Wording(
    freedom=(
        "相手の言い方が違っても、意図をくみ取ってください。挙げてある言い方は例です。"
        "当てはまる項目がないときは、ここにある情報の範囲で答えてください。"
    ),
    convey="内容を自分の言葉で伝える",
    verbatim="一字一句このとおりに話す",
    then_end="。そのあと挨拶をして end_call を呼ぶ",
    then_hand_over="。そのあと request_operator_handoff を呼ぶ",
    then_stage="。そのあと「{stage}」の段階へ進む",
    then_template="。そのあと「{situation}」へ進む",
    as_elsewhere="「{situation}」の項目と同じように対応する",
    decide="その意図としてくみ取り、会話の流れに合わせて答える",
    about="「{name}」の場面",
    meaning="相手の意図が「{name}」",
    speaking="相手が「{name}」などと言ったとき",
    in_section="{section}:「{name}」",
    goal="以前のテンプレートで必須とされた項目を確認する。",
    outcome="通話の終わり方: {what}",
    company="会社",
    joint="、",
)


def language_of(texts: str) -> str:
    """The language of the templates as an agent document names it; English where nothing else shows."""
    if _KANA.search(texts):
        return "ja"
    if _HANGUL.search(texts):
        return "ko"
    return "zh" if _HAN.search(texts) else "en"


def wording(language: str) -> Wording:
    """The sentences for a language; English where there are none of its own."""
    return JAPANESE if language == "ja" else ENGLISH
