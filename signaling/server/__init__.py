"""The media server put together: a session per call, the switchboard of all calls, the process."""
