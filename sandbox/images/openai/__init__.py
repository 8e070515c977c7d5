"""The OpenAI-compatible contract of the local image API, with Oxlo's models: calls that wait for their pictures."""

from __future__ import annotations

from sandbox.images.openai.contract import OXLO_KEY, OpenAIStandIn

__all__ = ["OXLO_KEY", "OpenAIStandIn"]
