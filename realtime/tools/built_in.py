"""Every tool that comes with Cordboard."""

from realtime.tools.customer_info import get_customer_info
from realtime.tools.end_call import end_call
from realtime.tools.operator_handoff import request_operator_handoff
from realtime.tools.schedule_appointment import schedule_appointment
from realtime.tools.slot_information import confirm_information, record_information
from realtime.tools.stop_recording import stop_recording

TOOLS = (
    get_customer_info,
    schedule_appointment,
    record_information,
    confirm_information,
    request_operator_handoff,
    stop_recording,
    end_call,
)
