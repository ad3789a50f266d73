"""The names that people give to the parts of keyword templates, in English and Japanese.

Years of use leave many spellings of one idea: `nextState`, `next_state`, `次の状態`. `same` makes them one.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SEAMS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s\-.]+")
_REFERENCE = re.compile(r"[A-Za-z_](?:[\w.:-]*\w)?")
_SENTENCE = re.compile(r"[。！？!?…]|\{\{|[.,](?:\s|$)|\S+\s+\S+\s+\S+\s+\S+")


@lru_cache(maxsize=16384)
def same(name: str) -> str:
    """One spelling: lower case, words joined by `_`."""
    return _SEAMS.sub("_", name.strip()).lower()


def words(name: str) -> str:
    """A name as words a person reads."""
    return re.sub(r"[_\s]+", " ", same(name)).strip() or name


def is_reference(text: str) -> bool:
    """Whether a text looks like the name of something rather than something to say."""
    return _REFERENCE.fullmatch(text) is not None


def is_sentence(text: str) -> bool:
    """Whether a text looks like something to say rather than a keyword."""
    return len(text) > 24 or _SENTENCE.search(text) is not None


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Keys of a rule written as an object.
TEXTS = _set(
    "text texts response responses reply replies message messages content template answer answers say utterance "
    "speech body script output variants 応答 応答文 回答 回答文 返答 返信 セリフ 台詞 本文 文言 文面 "
    "メッセージ テンプレート"
)
KEYWORDS = _set(
    "keywords keyword words triggers trigger patterns pattern regex match matches synonyms phrases examples samples "
    "utterances variations キーワード 単語 トリガー 言い回し 発話例"
)
NAMES = _set("id name key intent label title template_id 名前 名称 意図 インテント テンプレート名 番号 no")
NEXT = _set(
    "next next_state next_states next_step goto go_to transition transition_to then 次 次の状態 次状態 遷移先"
)
STATES = _set(
    "state states active_in active_states when_state phase step stage 状態 ステート 有効状態 段階 フェーズ"
)
CATEGORIES = _set("category section group topic 分類 カテゴリ カテゴリー 区分")
SITUATIONS = _set(
    "description desc situation note notes memo comment when purpose 説明 備考 状況 場面 メモ 用途"
)
WEIGHTS = _set(
    "priority confidence weight score threshold min_confidence order rank boost "
    "優先度 優先順位 信頼度 確信度 重み しきい値"
)
VERBATIMS = _set("verbatim exact fixed word_for_word read_as_is legal 固定 一字一句 厳守 原文")
ENDINGS = _set(
    "end end_call ends_call hangup hang_up is_end is_final final terminal should_end 終話 通話終了 終了"
)
HANDOFFS = _set("handoff transfer escalate escalation operator to_operator 転送 有人 有人対応 取次")
ACTIONS = _set("action actions handler type effect do 動作 アクション")
# Tables inside tables whose name says only what kind of thing they hold.
CONTAINERS = _set(
    "templates responses replies messages keywords patterns triggers intents rules entries items list data "
    "テンプレート"
)
NEEDS = _set(
    "variables vars placeholders params required required_variables required_fields requires slots 変数 必須項目 必須"
)
OFF = _set("disabled deprecated unused obsolete 無効 廃止 未使用")
ON = _set("enabled active 有効")


def _hint(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


# The two ends and the cause of a transition that is written as an object.
FROM = _set("from source current current_state 遷移元 現在の状態")
TO = _set("to target next next_state 遷移先 次の状態")
CAUSE = _set("on intent event trigger when condition 条件 意図")
PATTERNS = _set("pattern patterns regex")
LOCALES = _set("ja jp en us de fr es it pt nl ko zh ja_jp en_us en_gb zh_cn 日本語 英語")


# What the name of a table says about what is in it. Searched in `same(name)`.
STATE_TABLE = _hint(
    r"(?:^|_)(?:states?|phases?|steps?|stages?|scenes?)$|状態|ステート|フェーズ|段階|^conversation_states?"
)
OF_STATES = _hint(r"state|phase|stage|step|scene|状態|ステート|フェーズ|段階")
TRANSITION_TABLE = _hint(r"transition|(?:^|_)flows?$|next_states?|遷移|フロー")
VARIABLE_TABLE = _hint(
    r"variable|(?:^|_)vars$|default_?(?:values|params)?$|placeholder|company_?info|^company$|business_?info|変数|会社情報|既定値"
)
MAPPING_TABLE = _hint(r"(?:^|_)(?:map|mapping|mappings)$|_to_|_2_|対応|マッピング|routes?$|routing")
REQUIRED_LIST = _hint(r"required|mandatory|must_have|必須|必要")
KEYWORD_TABLE = _hint(
    r"keyword|trigger|pattern|synonym|intents?$|words$|phrases|utterances|キーワード|トリガー|ワード|語"
)
RESPONSE_TABLE = _hint(
    r"template|response|repl(?:y|ies)|message|script|prompt|greeting|speech|answers?|says?$|応答|返答|回答|セリフ|台詞|文言|テンプレート"
)
GREETING = _hint(
    r"greet|opening|initial|welcome|hello|^start|^intro|first_(?:message|line|words|response)|挨拶|第一声|冒頭|初回|名乗り"
)
CLOSING = _hint(
    r"clos(?:e|ed|ing)|(?:^|_)end(?:ed|ing)?(?:_|$)|bye|farewell|finish|hang_?up|complete[d]?$|terminat|終話|終了|お礼|締め"
)
FALLBACK = _hint(
    r"fall_?back|unknown|unclear|default|not_understood|no_match|聞き取れ|聞き返|わからない|不明"
)
HANDOFF = _hint(
    r"hand_?(?:off|over)|operator|transfer(?!red)|escalat|human|agent_request|有人|担当者に(?:つな|繋)|転送|オペレータ"
)
VERBATIM_NOTE = _hint(
    r"verbatim|word for word|do not (?:change|reword|edit)|don't (?:change|reword|edit)|exact wording|as is\b"
    r"|一字一句|そのまま読|文言変更(?:禁止|不可)|変更(?:禁止|不可|しない)|法務|原文のまま"
)
NEGATED_VERBATIM = _hint(r"not (?:word for word|verbatim)|no need|でなくて(?:も|よい)|不要")
OUT_OF_USE = _hint(
    r"deprecated|obsolete|unused|not used|no longer used|do not use|don't use|未使用"
    r"|使っていない|使用していない|廃止|使わない|旧版"
)
OPEN_POINT = _hint(r"todo|fixme|xxx|hack|\?\?\?|要確認|要修正|仮(?:の|で|$)|未定|あとで|後で")
