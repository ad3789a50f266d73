"""WebRTC: aiortc's signalling, ICE and DTLS, and our own path for the audio."""
