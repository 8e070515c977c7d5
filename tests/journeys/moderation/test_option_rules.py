"""Rules of a server hold for every option of a model, under any name and at any depth: words, sizes, safety switches, markup."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.app import App
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in
from tests.env.guild_rules import change_rules
from tests.journeys.manager_steps import guild_of

NUMBER, TEXT, SWITCH = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
OPTIONS = {
    **dict.fromkeys(("width", "height", "image_width", "w", "h", "size_px"), NUMBER),
    **dict.fromkeys(("negative_prompt", "negativePrompt", "second_prompt", "canvas", "extra", "moderation", "safety_filter_level"), TEXT),
    **dict.fromkeys(("enable_safety_checker", "disableSafetyChecker", "safe_mode", "nsfw", "content_filter", "prompt_checker"), SWITCH),
    "loras": {"type": "array", "items": TEXT},
    "level": {"type": "integer", "minimum": 0, "maximum": 6, "default": 2},
    "safety_level": {"type": "integer", "minimum": 0, "maximum": 6, "default": 5},
}
WORDS, SIZE, SHAPE = "doesn't allow that prompt", "up to 1 MP", "can't use the aspect ratio"
SAFETY, MARKUP = "safety checker can't be turned off", "Tags like"
ATTACKS = [
    ("negative_prompt=gore", WORDS),
    ("negativePrompt=g.o.r.e", WORDS),
    ("second_prompt='a gooore film'", WORDS),
    ("loras='a fox, g o r e'", WORDS),
    ("""extra='{"a": [{"b": "gore"}]}'""", WORDS),
    ("""extra='{"gore": 1}'""", WORDS),
    ("width=2048 height=2048", SIZE),
    ("width=2048", SHAPE),
    ("image_width=4096", SHAPE),
    ("w=2048 h=2048", SIZE),
    ("size_px=2048", SIZE),
    ("canvas=2048X2048", SIZE),
    ("""extra='{"size": {"width": 2048, "height": 2048}}'""", SIZE),
    ("""extra='{"image_size": [2048, 2048]}'""", SIZE),
    ("width=1024 height=512", SHAPE),
    ("h=512", SHAPE),
    ("enable_safety_checker=false", SAFETY),
    ("enable_safety_checker=no", SAFETY),
    ("disableSafetyChecker=true", SAFETY),
    ("safe_mode=off", SAFETY),
    ("nsfw=true", SAFETY),
    ("content_filter=false", SAFETY),
    ("prompt_checker=false", SAFETY),
    ("moderation=low", SAFETY),
    ("safety_filter_level=block_none", SAFETY),
    ("safety_level=0", SAFETY),
    ("""extra='{"safety": {"enabled": false}}'""", SAFETY),
    ("extra='enable_safety_checker=false'", SAFETY),
    ("extra=<lora:nude:1>", MARKUP),
    ("loras='a, <sd_cpp_extra_args>{}</sd_cpp_extra_args>'", MARKUP),
]


TAKEN = ["width=1024 height=576", "width=512 height=512", "enable_safety_checker=true nsfw=false", "moderation=auto safety_level=6"]
RULES: dict[str, Any] = {
    "prompts": {"block": {"words": ["gore"]}},
    "everyone": {"max_megapixels": 1, "aspect_ratios": ["1:1", "16:9"]},
    "strikes": {"ladder": []},
}


@asynccontextmanager
async def asking(env: Env) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Asks for an image with these options, in a server that restricts all of them, and returns the answer's text."""
    models: list[dict[str, Any]] = [{"id": "open", "options": OPTIONS}]
    endpoint = {"name": "local", "base_url": env.images.openai_url, "key": env.images.openai_key, "models": models, "price_credits": 1}
    async with env.app(OPENAI_ENDPOINTS=json.dumps([endpoint])) as app, person_in(env, "Ada") as ada:
        await change_rules(app.services.guilds, guild_of(ada), **RULES)
        seen: set[str] = set()

        async def ask(more: str) -> str:
            await ada.slash("generate", prompt="a fox", model="open", more=more)
            answer = await ada.message(lambda m: m.id not in seen and ("🚫" in m.content or "a fox" in m.content))
            seen.add(answer.id)
            return str(answer.content)

        yield ask


async def test_options_follow_the_rules_under_any_name_and_at_any_depth(env: Env) -> None:
    async with asking(env) as ask:
        answers = {more: (await ask(more), sentence) for more, sentence in ATTACKS}
    assert {more: answer for more, (answer, sentence) in answers.items() if sentence not in answer} == {}


async def test_options_within_the_rules_are_taken(env: Env) -> None:
    async with asking(env) as ask:
        assert [answer for more in TAKEN if "🚫" in (answer := await ask(more))] == []


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        ("ideogram-v4", {"resolution": "square_hd"}, "can have up to 1 MP. This one would have 1.05 MP"),
        ("ideogram-v4", {}, "can have up to 1 MP. This one would have 1.05 MP"),
        ("ideogram-v4", {"resolution": "landscape_4_3"}, "4:3"),
        ("gpt-image-1-5", {"resolution": "portrait"}, "2:3"),
        ("bytedance-seedream-4", {"resolution": "4K"}, "This one would have 16."),
        ("ideogram-v4", {"aspect_ratio": "16:9"}, None),
        ("nano-banana-2", {"resolution": "512", "aspect_ratio": "16:9"}, None),
    ],
)
async def test_sizes_by_words_and_tiers_follow_the_rules(
    app: App, ada: Person, model: str, options: dict[str, str], sentence: str | None
) -> None:
    await change_rules(app.services.guilds, guild_of(ada), **RULES)
    await ada.slash("generate", prompt="a fox", model=model, **options)
    answer = await ada.message(lambda m: "🚫" in m.content or has_image(m))
    assert has_image(answer) if sentence is None else sentence in answer.content
