"""Whether a key and a model are good, asked over HTTP before anybody calls. Costs nothing.

Through the `openai` package: this is not the hot path, and its errors know every way in which the API says no.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realtime.client.endpoint import Endpoint

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """`unknown`: a compatible server that has no list of models; only a call will tell."""

    code: Literal["good", "unauthorized", "unknown_model", "unreachable", "unknown"]
    detail: str


async def look_at_account(endpoint: Endpoint, model: str) -> AccountState:
    """Asks for the model by name. Never raises."""
    import openai  # 0.4 s, and a server that runs never needs it again

    base_url = endpoint.url.replace("ws", "http", 1)
    async with openai.AsyncOpenAI(
        api_key=endpoint.api_key, base_url=base_url, max_retries=0, timeout=TIMEOUT_S
    ) as client:
        try:
            found = await client.models.retrieve(model)
        except openai.AuthenticationError:
            return AccountState(code="unauthorized", detail="the key was refused")
        except openai.NotFoundError as error:
            if error.code == "model_not_found":
                return AccountState(code="unknown_model", detail=f"this key has no model {model}")
            return AccountState(code="unknown", detail="this server does not list its models")
        except openai.APIConnectionError as error:
            return AccountState(code="unreachable", detail=f"cannot be reached ({error.__cause__ or error})")
        except openai.APIError as error:
            return AccountState(code="unknown", detail=f"it answers {type(error).__name__}")
    return AccountState(code="good", detail=found.id)
