"""Did the caller have to ask again? "What?", "say that again", "もう一度": words that mend a conversation.

Only whole short sentences count: somebody who says "what time" has asked something else. A list of phrases finds
most of them and invents few; it decides nothing but a figure.
"""

from __future__ import annotations

import re
import unicodedata

MOST_WORDS = 8  # longer sentences say something of their own

_EN = r"""
what( was that| did you say)?|huh|pardon( me)?|come again|say( that)? again( please)?|excuse me|(i'm )?sorry( what.*)?
|(can|could|would) you (please )?(repeat|say) (that|it)( again)?( please)?|(please )?repeat( that)?( please)?
|i (didn't|did not|couldn't|can't|cannot) (hear|understand|catch|get)( you| that| it)?( at all)?
"""
_JA = r"""
え|えっ|はい何ですか|何ですか|もう一度|もう一度(お願いします|言ってください|いいですか)|もう一回(お願いします|言ってください)?
|聞こえません(でした)?|聞き取れません(でした)?|なんて(言いました(か)?)?
"""
_DE = r"""
(wie )?bitte( wiederholen)?|was( haben sie gesagt)?|noch ?mal( bitte)?|ich (habe|hab) (sie|das) nicht verstanden
"""
_FR = r"""
pardon|comment|vous pouvez répéter( s'il vous plaît)?|répétez( s'il vous plaît)?|je n'ai pas (compris|entendu)
"""
_ES = r"""
cómo|perdón|qué( ha dicho)?|puede repetir(lo)?( por favor)?|repita( por favor)?
|no (le|lo|te) (he )?(entiendo|oigo|entendido|oído)
"""
_PHRASES = tuple(
    re.compile(pattern.replace("\n", ""), re.IGNORECASE) for pattern in (_EN, _JA, _DE, _FR, _ES)
)


def asks_again(text: str) -> bool:
    """Whether these words of the caller's say only that they did not hear or understand."""
    words = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    words = "".join(sign if sign.isalnum() or sign == "'" else " " for sign in words)
    words = " ".join(words.split())
    if not words or len(words.split()) > MOST_WORDS:
        return False
    words = re.sub(r"^((oh|uh|um|er|sorry|i'm sorry|えっと|すみません) )+(?=.)", "", words)
    return any(phrase.fullmatch(words) or phrase.fullmatch(words.replace(" ", "")) for phrase in _PHRASES)
