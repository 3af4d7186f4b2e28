"""Read by the gateway: who asks for a model of a group that is not active is told so, and by which group it would wake.

Without this the gateway says of such a name what it says of a misspelt one. It is asked before every request, after the key
was looked at, and sends nothing anywhere.

https://docs.litellm.ai/docs/proxy/call_hooks
"""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

ASLEEP: dict[str, str] = {}


class Sleepers(CustomLogger):
    """What is said of each name that sleeps."""

    async def async_pre_call_hook(self, *, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The request as it is, unless the model sleeps."""
        said = ASLEEP.get(str(data.get("model")))
        if said:
            raise HTTPException(status_code=404, detail=said)
        return data


sleepers = Sleepers()
