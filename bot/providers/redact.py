"""Removes from an image API's words what must not be shown or logged: keys, links, hosts, addresses, paths, prompts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final

_LONGEST: Final = 300  # characters of redacted words
_READ: Final = 1_000  # characters that are searched

_KEY_NAMES: Final = (
    r"(?:[\w-]*(?:api|access|secret|private|auth|account)[ _-]?(?:key|token|id)"
    r"|[\w-]*(?:token|secret|passw(?:or)?d|credentials?)|authorization|apikey|pwd)"
)
_KEY_PREFIXES: Final = "sk|pk|rk|ak|hf|r8|gsk|xai|fal|nvapi|tgp|pplx|fw|sess|tok|key|org|proj|user|acct|req|ghp|github_pat|glpat|xox[a-z]"
_FILES: Final = r"(?:safetensors|ckpt|gguf|onnx|pth?|bin|png|jpe?g|webp|gif|json|ya?ml|txt)"
_DOMAINS: Final = (
    r"(?:com|net|org|io|ai|dev|app|co|cloud|local|internal|intranet|lan|corp|home|arpa|test|example|invalid|localdomain|svc|sh|gg|me|eu|de"
    r"|uk|us|cn|xyz|tech|run|host|site|online)"
)
_NO_FILE: Final = rf"\b(?![\w.-]*\.{_FILES}\b)"


def _without_address(found: re.Match[str]) -> str:
    try:
        ipaddress.IPv6Address(found[1].partition("%")[0])
    except ValueError:
        return found[0]  # a time such as 12:30:45
    return "(host)"


Replacement = str | Callable[[re.Match[str]], str]

# In this order: a link may contain a key, and a key may contain a host. After the second, no run of characters is long.
_RULES: Final[tuple[tuple[re.Pattern[str], Replacement], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), replacement)
    for pattern, replacement in (
        (r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>]+|\b(?:data|mailto):[^\s\"'<>]+", "(link)"),
        (r"[!-~]{64,}", "(…)"),
        (
            rf"\b({_KEY_NAMES})([\"']?\s*(?:[=:]|\bis\b(?=\s*\S*\d))\s*[\"']?)(?:(?:bearer|basic|key|token)\s+)?[^\s\"'<>,;)}}\]]+",
            r"\1\2(key)",
        ),
        (r"\b(key)([\"']?\s*[=:]\s*[\"']?)(?=[\w.~+/=*-]*\d)[\w.~+/=*-]{6,}", r"\1\2(key)"),
        (
            r"\b(host(?:name)?|server|node|upstream|backend|pod)([ =:\"']{1,3})(?=[\w.-]*[a-z])(?=[\w.-]*[\d.-])[\w.-]*\w(?::\d{1,5})?",
            r"\1\2(host)",
        ),
        (r"\b(bearer|basic)\s+[\w.~+/=*-]{6,}", r"\1 (key)"),
        (rf"\b(?:{_KEY_PREFIXES})[-_][\w*.-]{{4,}}|\b(?:AKIA|ASIA|AIza|eyJ)[\w.*-]{{8,}}", "(key)"),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*", "(address)"),
        (r"\[?(?<![\w:])(?=(?:[0-9a-f]*:){2})([0-9a-f:]{2,39}(?:%\w+)?)\]?(?::\d{1,5})?(?![\w:])", _without_address),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d{1,5}|/\d{1,2})?", "(host)"),
        (rf"{_NO_FILE}(?<![.-])(?:[a-z0-9_-]{{1,40}}\.)+{_DOMAINS}\b(?::\d{{1,5}})?(?:/[^\s\"'<>]*)?", "(host)"),
        (rf"{_NO_FILE}(?<![.-])(?:[a-z0-9_-]{{1,40}}\.){{2,}}[a-z][a-z-]+\b(?::\d{{1,5}})?", "(host)"),
        (r"\b(?:localhost|[a-z][a-z0-9_]*-[a-z0-9_.-]*[a-z0-9]|[a-z]+\d+(?:[.-][a-z0-9]+)*):\d{2,5}\b|\blocalhost\b", "(host)"),
        (r"(?<![\w/.])(?:~|[a-z]:)?[\\/](?:[\w.@-]+[\\/])+[\w.@-]*", "(path)"),
        (r"\b(?=[\w+/-]*\d)(?=[\w+/-]*[a-z])[\w+/-]{32,}={0,2}", "(key)"),
    )
)


def redacted(text: str, *, secrets: Iterable[str] = (), limit: int = _LONGEST) -> str:
    """The words on one line of at most `limit` characters, without the `secrets` (none is empty) and what looks like one."""
    text = text[:_READ]
    for secret in secrets:
        text = text.replace(secret, "(key)")
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text[:limit].strip()
