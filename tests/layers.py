"""The layers that the code is moving to, and which module belongs to which: `python -m tests.layers` prints the imports that point upward.

Imports point downward only. The modules of one level do not know each other's layer.
"""

from __future__ import annotations

from tests.imports import everything_of, modules, within

# From the top; those in one line stand side by side.
LEVELS = (("entry",), ("ops", "app"), ("cogs",), ("client", "services"), ("store", "providers"), ("media",), ("domain",), ("core",))
LAYERS = {  # the longest matching name counts
    "bot": "core",
    "bot.__main__": "entry",
    "bot.app": "app",
    "bot.client": "client",
    **dict.fromkeys(("bot.demo", "bot.doctor", "bot.doctor_images", "bot.doctor_ledger", "bot.example"), "ops"),
    **dict.fromkeys(("bot.findings", "bot.messages", "bot.portal"), "ops"),
    **dict.fromkeys(("bot.domain", "bot.gestures", "bot.preferences", "bot.quota", "bot.servers", "bot.moderation"), "domain"),
    "bot.images": "providers",
    "bot.image_apis": "providers",
    **dict.fromkeys([f"bot.images.{name}" for name in ("catalog", "extent", "ideas", "params", "schema", "shapes", "values")], "domain"),
    **dict.fromkeys([f"bot.images.{name}" for name in ("addresses", "chart", "fetch", "headers", "likeness", "pictures")], "media"),
    "bot.store": "store",
    "bot.store.purse": "domain",
    "bot.jobs": "services",
    **dict.fromkeys([f"bot.jobs.{name}" for name in ("fair", "job", "ladder", "order")], "domain"),
    "bot.jobs.pace": "core",
    "cogs": "cogs",
}


def layer_of(name: str) -> str:
    return LAYERS[max((each for each in LAYERS if within(name, each)), key=len)]


def level_of(layer: str) -> int:
    """From 0, the lowest."""
    return next(level for level, layers in enumerate(reversed(LEVELS)) if layer in layers)


def upward() -> list[str]:
    """The imports that do not point downward, also those for the type checker alone."""
    ours = set(everything_of("bot", "cogs"))
    return [
        f"{module} -> {other}"
        for module in modules("bot", "cogs")
        for other in sorted(module.imports & ours)
        for (here, there) in [(layer_of(module.name), layer_of(other))]
        if here != there and level_of(here) <= level_of(there)
    ]


if __name__ == "__main__":
    print("\n".join(upward()))
