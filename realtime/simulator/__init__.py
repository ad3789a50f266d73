"""A stand-in for the Realtime API, on the same wire, that can hear, speak, think a little and misbehave.

Two ways to run it:

* **spoken** — voice activity detection, speech recognition and text-to-speech from packages that carry
  their models, and a small rule-driven mind (`mind/`) that follows the session's instructions and tools;
* **scripted** — a `Script` says what is heard and answered, audio is a synthetic tone, no model is loaded.

It imports nothing else of this project, on purpose: it knows the caller's side only by what comes over
the wire, so it cannot share that side's mistakes.  `server.Simulator` is the door.
"""
