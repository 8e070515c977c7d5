"""The OpenAI-compatible image API with Oxlo's models: synchronous calls, no queue."""

from __future__ import annotations

from sandbox.images.openai.contract import OXLO_KEY, OpenAIStandIn

__all__ = ["OXLO_KEY", "OpenAIStandIn"]
