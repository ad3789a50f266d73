"""What a caller wants with a sentence, apart from values in it.  Input is plain text (`plain_text`)."""

import re

_PERSON = (
    r"(?:human|person|operator|agent|someone|somebody|representative|manager|colleague|supervisor|real one|"
    r"receptionist|member of staff|staff member|live)"
)
_HANDOFF = re.compile(
    rf"\b(?:speak|talk|connect|transfer|put|get|give|pass|switch|want|need|like|call|is there|hand)\b"
    rf"[^.?!]*\b{_PERSON}\b"
    rf"|^(?:an? |the )?(?:real )?{_PERSON}(?:,? please)?[.!?]*$"
    r"|\bnot (?:with |to )?(?:a |this )?(?:robot|machine|computer|bot)\b"
)
_GOODBYE = re.compile(
    r"\b(?:goodbye|bye(?: bye)?|have a (?:nice|good|great) (?:day|one|evening|weekend)|hang up|"
    r"talk to you later|see you)\b"
)
_NOTHING_MORE = re.compile(
    r"\b(?:that'?s|that is|that will be|that'll be|that was) (?:all|everything|it)\b|\bnothing (?:else|more)\b"
    r"|\bno,? (?:thank you|thanks)\b|\bi'?m (?:good|fine|all set)\b|^no[.!,]*$|\ball set\b"
)
_YES = re.compile(
    r"^(?:um |uh |well |oh )?(?:yes|yeah|yep|yup|correct|right|sure|exactly|perfect|ok|okay|absolutely|certainly|"
    r"of course|please do|go ahead|sounds good|great|fine|that'?s (?:right|correct|fine|good|perfect)|"
    r"that (?:is|sounds|works) ?(?:right|correct|fine|good|perfect)?|it is|yes,? please|do it|book it)\b"
)
_NO = re.compile(
    r"^(?:um |uh |well |oh )?(?:no|nope|not (?:quite|really|right|correct)|wrong|incorrect|that'?s (?:not|wrong)|"
    r"that is (?:not|wrong)|actually|wait)\b"
)
_BOOKING = re.compile(
    r"\b(?:book|booking|appointments?|schedul\w*|reserv\w*|come in|come by|make a date|fit me in|"
    r"see (?:the|a|my) (?:doctor|dentist|hygienist))\b"
)
_RECORD = re.compile(
    r"\bmy (?:record|file|details|account|data|information|next appointment|next visit|existing appointment|"
    r"appointment (?:details|time))\b|\b(?:when is|what time is|check|look up|find) my\b"
    r"|\bdo you (?:know|have) (?:me|my)\b"
    r"|\bdo i have (?:an|any) appointments?\b|\blook me up\b"
)
_QUESTION = re.compile(
    r"^(?:and |so |okay,? |ok,? |hi,? |hello,? |um,? |yes,? |also,? |by the way,? |excuse me,? )*"
    r"(?:what|when|where|which|who|how|is there|are there|are you|do you|does|can i|could i|may i|is it|is the|"
    r"are (?:the|all)|tell me|i(?: would|'d) like to know|can you tell)\b"
)


def wants_a_person(text: str) -> bool:
    """ "I want to speak to a human." """
    return _HANDOFF.search(text) is not None


def says_goodbye(text: str) -> bool:
    """Goodbye, in so many words."""
    return _GOODBYE.search(text) is not None


def wants_nothing_more(text: str) -> bool:
    """The answer to "Is there anything else?" that ends a call."""
    return _NOTHING_MORE.search(text) is not None


def says_yes(text: str) -> bool:
    """Agreement at the beginning of the sentence."""
    return _YES.search(text) is not None and not says_no(text)


def says_no(text: str) -> bool:
    """Disagreement at the beginning of the sentence."""
    return _NO.search(text) is not None


def wants_to_book(text: str) -> bool:
    """Something about an appointment."""
    return _BOOKING.search(text) is not None


def asks_for_own_record(text: str) -> bool:
    """ "When is my next appointment?" """
    return _RECORD.search(text) is not None


def asks_a_question(text: str) -> bool:
    """A question, by its first words or its mark."""
    return _QUESTION.search(text) is not None or text.rstrip().endswith("?")
