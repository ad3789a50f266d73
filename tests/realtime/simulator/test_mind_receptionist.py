from dataclasses import replace

from realtime.simulator.mind.phrases import ANYTHING_ELSE, GOODBYE, GREETING
from realtime.simulator.persona import Line
from tests.fakes.mind_chat import (
    ALL_TOOLS,
    CONFIRM,
    CONFIRMING,
    CUSTOMER,
    END,
    HANDOFF,
    PRACTICE,
    RECORD,
    SCHEDULE,
    Chat,
)

BOOKED = {"booked": True, "name": "Alice Johnson", "date": "2026-11-25", "time": "15:00"}


def test_the_greeting_is_the_sentence_that_the_response_asks_for() -> None:
    chat = Chat(*ALL_TOOLS)

    said = chat.answer(
        response_instructions=f'{PRACTICE}\nGreet the caller now. Say exactly: "Harbour Dental, hello!"'
    )

    assert said == "Harbour Dental, hello!"


def test_without_instructions_the_greeting_offers_help() -> None:
    assert Chat(instructions="").answer() == GREETING


def test_an_appointment_is_booked_question_by_question() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.answer()

    assert "name" in chat.say("I would like to book an appointment.")
    assert "Thank you, Alice. Which day" in chat.say("Alice Johnson.")
    assert "What time" in chat.say("On Wednesday.")
    chat.say("At three.")

    assert chat.calls == [
        ("schedule_appointment", {"name": "Alice Johnson", "date": "2026-11-25", "time": "15:00"})
    ]
    assert "Alice Johnson on Wednesday, November 25th at 3 PM" in chat.give(BOOKED)


def test_everything_in_one_sentence_needs_no_question() -> None:
    chat = Chat(*ALL_TOOLS)

    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30 for a cleaning.")

    assert chat.calls == [
        (
            "schedule_appointment",
            {"name": "Bob Miller", "date": "2026-11-27", "time": "10:30", "reason": "cleaning"},
        )
    ]


def test_the_tool_waits_for_agreement_when_the_instructions_ask_for_it() -> None:
    chat = Chat(*ALL_TOOLS, instructions=CONFIRMING)

    said = chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")
    assert "Bob Miller on Friday, November 27th at 10:30 AM. Is that right?" in said
    assert chat.calls == []

    chat.say("Yes, that's right.")
    assert [name for name, _ in chat.calls] == ["schedule_appointment"]


def test_a_correction_is_read_back_again() -> None:
    chat = Chat(*ALL_TOOLS, instructions=CONFIRMING)
    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")

    said = chat.say("No, make it eleven o'clock.")

    assert "at 11 AM. Is that right?" in said
    assert chat.calls == []


def test_a_plain_no_asks_what_to_change() -> None:
    chat = Chat(*ALL_TOOLS, instructions=CONFIRMING)
    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")

    assert "What should I change?" in chat.say("No.")


def test_a_question_in_between_is_answered_and_the_booking_goes_on() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("I need an appointment.")
    chat.say("Bob Miller.")

    said = chat.say("Are you open on Saturday?")

    assert "Monday to Friday" in said
    assert said.endswith("Which day would suit you?")


def test_a_taken_time_is_told_and_asked_again_and_the_name_is_remembered() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")

    said = chat.give(
        {"error": "time_taken", "message": "Somebody else has that time. Free on that day: 11:00, 11:30."}
    )
    assert "Free on that day: 11 AM, 11:30 AM." in said
    assert "What time" in said

    chat.say("Eleven.")
    assert chat.calls == [
        ("schedule_appointment", {"name": "Bob Miller", "date": "2026-11-27", "time": "11:00"})
    ]


def test_what_a_function_tells_the_model_to_do_is_not_said_to_the_caller() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")

    said = chat.give({"error": "in_the_past", "message": "That time has passed. Ask for a later one."})

    assert "That time has passed." in said
    assert "Ask for" not in said


def test_a_truncated_question_is_still_understood_as_asked() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("I need an appointment.")
    chat.cut()

    assert "Thank you, Alice." in chat.say("Alice Johnson.")


def test_a_deleted_turn_is_forgotten() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("My name is Alice Johnson.")
    lines = [line for line in chat.prompt.lines if line.kind != "user"]
    chat.prompt = type(chat.prompt)(
        instructions=PRACTICE,
        response_instructions=None,
        tools=ALL_TOOLS,
        tool_choice="auto",
        parallel_tool_calls=True,
        lines=lines,
        out_of_band=False,
    )

    assert "name" in chat.say("I need an appointment.")


def test_a_telephone_number_is_looked_up_and_the_record_is_used() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("When is my next appointment?")
    assert "phone number" in chat.says

    chat.say("It's 555-123-4567.")
    assert chat.calls == [("get_customer_info", {"phone_number": "5551234567"})]

    said = chat.give({"name": "Ann Lee", "next_appointment": "Monday 2026-11-23 at 15:30"})
    assert "Ann Lee" in said
    assert "Monday, November 23rd at 3:30 PM" in said

    assert "Which day" in chat.say("I need another appointment.")


def test_an_unknown_number_is_asked_for_again() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("My number is 555-123-4567, when is my next appointment?")

    said = chat.give({"error": "unknown", "message": "No customer has that number."})

    assert "What is your phone number?" in said
    assert chat.say("555-765-4321") == ""
    assert chat.calls == [("get_customer_info", {"phone_number": "5557654321"})]


def test_a_wish_for_a_person_calls_the_handoff_with_what_is_known() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("My name is Alice Johnson.")

    said = chat.say("I want to speak to a human.")

    assert said == "Of course, one moment please."
    [(name, arguments)] = chat.calls
    assert name == "request_operator_handoff"
    assert "Alice Johnson" in arguments["summary"]
    assert "colleague" in chat.give({"requested": True, "message": "Tell the caller."})


def test_goodbye_ends_the_call_only_with_a_function_for_it() -> None:
    with_end, without = Chat(END), Chat(HANDOFF)

    assert with_end.say("Goodbye.") == without.say("Goodbye.") == GOODBYE
    assert [name for name, _ in with_end.calls] == ["end_call"]
    assert without.calls == []


def test_no_thank_you_after_a_booking_is_a_goodbye() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")
    assert chat.give(BOOKED).endswith(ANYTHING_ELSE)

    chat.say("No, thank you. That is all.")

    assert [name for name, _ in chat.calls] == ["end_call"]


def test_nothing_is_called_that_is_not_offered() -> None:
    chat = Chat()

    for words in ("I need an appointment tomorrow at three", "Operator!", "555-123-4567", "Goodbye"):
        chat.say(words)
        assert chat.calls == []


def test_tool_choice_none_is_respected() -> None:
    chat = Chat(*ALL_TOOLS, tool_choice="none")

    assert chat.say("I want to speak to a human.") != ""
    assert chat.calls == []


def test_a_named_tool_choice_is_obeyed() -> None:
    chat = Chat(*ALL_TOOLS, tool_choice={"type": "function", "name": "end_call"})

    chat.say("I need an appointment.")

    assert [name for name, _ in chat.calls] == ["end_call"]


def test_values_are_recorded_as_they_are_heard_and_confirmed_when_agreed() -> None:
    chat = Chat(SCHEDULE, RECORD, CONFIRM)

    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")
    assert chat.calls == [
        ("record_information", {"slot": "name", "value": "Bob Miller"}),
        ("record_information", {"slot": "date", "value": "2026-11-27"}),
        ("record_information", {"slot": "time", "value": "10:30"}),
    ]

    assert "Is that right?" in chat.give("ok", "ok", "ok")
    chat.say("Yes.")
    assert [name for name, _ in chat.calls] == ["confirm_information", "schedule_appointment"]


def test_goals_are_collected_without_a_function_of_their_own() -> None:
    goals = "- name (name, required): Who calls\n- phone (phone, required): Where to call\n"
    chat = Chat(RECORD, CONFIRM, instructions=goals + "Confirm everything.")

    chat.say("My name is Ann Lee and I want to book a call.")
    assert chat.calls == [("record_information", {"slot": "name", "value": "Ann Lee"})]
    assert "phone number" in chat.give("ok")
    chat.say("555-123-4567")
    assert chat.calls == [("record_information", {"slot": "phone", "value": "5551234567"})]
    assert "Is that right?" in chat.give("ok")
    chat.say("Yes.")
    assert chat.calls == [("confirm_information", {"slots": ["name", "phone"]})]
    assert "noted everything" in chat.give({"ok": True})


def test_one_call_at_a_time_without_parallel_calls() -> None:
    chat = Chat(SCHEDULE, RECORD, parallel_tool_calls=False)

    chat.say("This is Bob Miller, I need an appointment on Friday at 10:30.")
    assert chat.calls == [("record_information", {"slot": "name", "value": "Bob Miller"})]

    chat.give("ok")
    assert chat.calls == [("record_information", {"slot": "date", "value": "2026-11-27"})]


def test_silence_repeats_the_question_that_stands() -> None:
    chat = Chat(SCHEDULE)
    chat.say("I need an appointment.")

    assert "May I have your name" in chat.say("")


def test_what_nobody_knows_is_answered_with_what_can_be_done() -> None:
    assert "book an appointment" in Chat(SCHEDULE, CUSTOMER).say("Can you fix my car?")


def test_a_response_that_is_to_say_goodbye_says_it() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("I need an appointment.")

    said = chat.answer(
        response_instructions=f"{PRACTICE}\nThe call ends now. Say goodbye in one short sentence."
    )

    assert said == GOODBYE


def test_an_out_of_band_summary_tells_what_is_known() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("My name is Alice Johnson.")

    said = chat.answer(response_instructions="Summarize the call in one sentence.", out_of_band=True)

    assert "Alice Johnson" in said


def test_a_call_that_a_colleague_gives_back_goes_on_with_the_note_and_without_a_greeting() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.answer()
    chat.say("I lost my umbrella.")
    end = '[End of the talk. The colleague\'s note for you: "The umbrella is at the desk"]'
    chat.prompt = replace(chat.prompt, lines=(*chat.prompt.lines, Line(kind="system", text=end)))

    said = chat.answer(
        response_instructions=f"{PRACTICE}\n# Now\nA colleague has just given the call back to you. Do not greet."
    )

    assert "The umbrella is at the desk." in said
    assert GREETING not in said


def test_what_a_supervisor_whispers_is_said_as_ones_own() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.answer()

    said = chat.answer(
        response_instructions=f'{PRACTICE}\n# Now\nYour supervisor has just told you: "say that parking is free."'
    )

    assert said == "Parking is free."
