"""Audio in time: the leg between a caller and the conversation.

Root files are pure (samples and times in, values out); `rtc/` holds aiortc and the sockets.
"""
