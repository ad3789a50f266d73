"""What is said and what is done: the conversation between a caller and a Realtime session.

Root files are pure; `client/` holds the WebSocket, `tools/` the functions the model may call,
`simulator/` a stand-in for the Realtime API that hears and speaks.
"""
