"""The HTTP and WebSocket doors: routes, sign-in, the live feed, and the documents that describe them.

What these doors need from the rest they ask for in `ports.py`; `app.make_app` joins them.
"""
