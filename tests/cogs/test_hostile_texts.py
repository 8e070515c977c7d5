"""Text of members, managers and image APIs is dead wherever it is shown: no link, mention, spoiler, heading or code lives in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import EaselError
from bot.core.markdown import escaped, plain
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.domain.catalog.params import build_params
from bot.domain.guild import document
from bot.domain.guild.document import Policy
from bot.domain.guild.settings import GuildSettings, Preset
from bot.domain.job import GalleryEntry, Generation, GenerationState, HistoryPage, Job, JobState
from bot.domain.lineage import Lineage
from bot.domain.moderation.cases import Case, CaseFile, CaseState, Cause, Decision
from bot.domain.moderation.conduct import MemberRecord, UsageSum
from bot.domain.order import Receipt
from bot.domain.preferences import Style
from bot.domain.prompts.judge import CompiledRule, Level, RuleKind
from bot.domain.prompts.rules import ListName
from bot.services.pipeline.delivery.routes import ResultMessage
from cogs.admin import panel_texts, settings_texts
from cogs.images import detail_texts, history_texts
from cogs.kit import job_texts, texts
from cogs.members import model_texts, style_texts
from cogs.moderation import case_texts, member_texts
from cogs.reactions import file_texts, preset_texts
from tests.env.jobs import generation, new_job

# A text, and what of it would live in a message.
HOSTILE = {
    "[x](https://evil.example)": r"\]\(https?://evil|https?://evil",
    "[x](<https://evil.example>)": r"\]\(<|https?://evil",
    "<https://evil.example>": r"https?://evil",
    "see https://evil.example/a_b": r"https?://evil",
    "discord.gg/evil": r"discord\.gg/evil",
    "a ||secret|| b": r"(?<!\\)\|\|secret",
    "@everyone @here": r"@everyone|@here",
    "<@777> <@!777> <@&777>": r"<@[!&]?777",
    "<#777>": r"<#777>",
    "<t:777> <t:777:R>": r"<t:777",
    "</cmd:1>": r"</cmd",
    "<:fox:1> <a:fox:1>": r"<a?:fox",
    "```py\nx\n```": r"(?<!\\)```",
    "a `code` b": r"(?<!\\)`code",
    "**bold** __under__ ~~gone~~": r"(?<!\\)\*\*bold|(?<!\\)__under|(?<!\\)~~gone",
    "a\n# heading": r"^# heading",
    "a\n-# small": r"^-# small",
    "a\n- item\n1. item": r"^- item|^1\. item",
    "a\n> quote\n>>> quote": r"^>+ quote",
    "a\u202egnp.exe\u2066": "[\u202e\u2066]",
    "w" * 3000: r"w{1300}",
}
HEADS = ("# heading", "-# small", "- item", "1. item", "> quote", ">>> quote")


def model(text: str) -> ModelInfo:
    raw = {"id": "m", "display_name": text[:100], "summary": text, "endpoint": "/images/generations"}
    schema = {"type": "object", "properties": {"size": {"type": "string", "enum": [text[:400]]}}}
    return Catalog.read([{**raw, "request_schema": schema}], credit_usd=0.01, model_prices={"m": 1.0}).models[0]


def job_of(text: str, *, error: str | None = None, state: GenerationState = GenerationState.SUCCEEDED) -> Job:
    job = new_job(prompt=text, params={"style": text})
    ended: Generation = generation(job_id=job.id, state=state, prompt=text, error=error)
    place = replace(job.place, message_id=9)
    return replace(job, generations=(ended,), state=JobState.DELIVERED, flagged=text, place=place)


def case_of(text: str) -> Case:
    return Case(
        id=1,
        guild_id=1,
        at=0,
        cause=Cause.RESULT,
        state=CaseState.APPEALED,
        author_id=2,
        channel_id=5,
        message_id=6,
        job_id=None,
        reason=text,
        appeal=text,
    )


def finished(text: str, job: Job, *notes: str) -> str:
    return job_texts.finished(ResultMessage(job=job, images=(), notes=notes), lambda _model: text)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(EaselError) as caught:
        call()
    return caught.value.sentence


USAGE = UsageSum(images=1, spent=1)
PLACES: dict[str, Callable[[str], str]] = {
    "waiting": lambda text: job_texts.waiting(Receipt(job=new_job(prompt=text), model=model(text), ahead=0, usual_ms=None)),
    "result": lambda text: finished(text, job_of(text)),
    "failed result": lambda text: finished(text, job_of(text, error=text, state=GenerationState.FAILED)),
    "direct message": lambda text: job_texts.direct_message(job_of(text)),
    "original files": lambda text: file_texts.original(job_of(text), lambda _model: text, "link"),
    "details": lambda text: detail_texts.details(job_of(text), lambda _model: text, style=text),
    "relatives": lambda text: detail_texts.family(
        Lineage(job=job_of(text), parent=job_of(text), children=(job_of(text),), siblings=(job_of(text),), left_out=0), lambda _model: text
    ),
    "posted elsewhere": lambda text: detail_texts.not_ours(1, [text], "link"),
    "history": lambda text: history_texts.in_list(1, job_of(text), lambda _model: text, left_out=0),
    "one of the history": lambda text: history_texts.alone(job_of(text), lambda _model: text),
    "search of the history": lambda text: history_texts.heading(HistoryPage(jobs=(), number=0, pages=1, total=0, words=text)),
    "log": lambda text: case_texts.log_entry(replace(job_of(text), flagged=None), lambda _model: text, None),
    "gallery": lambda text: case_texts.gallery(
        job_of(text),
        GalleryEntry(message_id=1, guild_id=1, job_id=None, author_id=2, at=0, stars=5, post_message_id=None),
        3,
        lambda _model: text,
    ),
    "case": lambda text: case_texts.case(CaseFile(case=case_of(text), job=None, flags=()), lambda _model: text),
    "notice to an author": lambda text: case_texts.author_notice(
        replace(case_of(text), decision=Decision.DELETE, decision_reason=text), None, text
    ),
    "notice of a block": lambda text: case_texts.block_notice(text, None, text),
    "usage of a member": lambda text: member_texts.usage(
        1, MemberRecord(lately=USAGE, ever=USAGE, latest=(job_of(text),), reports=()), lambda _model: text
    ),
    "styles": lambda text: style_texts.listed(
        [Style(name=text[:20].strip(), prefix=text[:200], suffix="", model="m", options={})], lambda _model: text
    ),
    "presets": lambda text: preset_texts.presets(
        GuildSettings(presets=(Preset(emoji="🎨", name=text[:20].strip(), prompt=text[:200], model="m", options={"a": text[:50]}),)),
        lambda _preset: model(text),
    ),
    "models": lambda text: model_texts.model(model(text), lambda _params: 1, is_default=False),
    "pause": lambda text: settings_texts.paused(document.read({"pause": {"on": True, "reason": text[:300]}})),
    "listed rule": lambda text: panel_texts.listed(text, ListName.BLOCK),
    "tested rule": lambda text: panel_texts.tested(text, Level.BLOCK, [CompiledRule(list=ListName.BLOCK, kind=RuleKind.WORD, text=text)]),
    "refused option": lambda text: refusal(lambda: build_params(model(text), {}, "size=0")),
    "wrong value of a file": lambda text: refusal(lambda: document.read({"pause": {"on": text}, text: 1, "checks": {"on_down": text}})),
    "wrong pattern": lambda text: refusal(lambda: document.changed(Policy(), {"prompts": {"block": {"patterns": [f"{text[:99]}("]}}})),
    "changed setting": lambda text: "\n".join(
        panel_texts.change_lines([{"path": f"prices.{text}", "was": text, "now": [text]}, {"path": text, "was": {"name": text}}], str)
    ),
    "unknown model": lambda text: refusal(lambda: Catalog([model("Model One")]).get(text)),
}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_lives_in_a_text_that_is_shown(place: str) -> None:
    alive = {
        text: found.group() for text, living in HOSTILE.items() if (found := re.search(living, outside_code(PLACES[place](text)), re.M))
    }
    assert alive == {}


def outside_code(shown: str) -> str:
    """The text without inline code, in which nothing lives."""
    return re.sub(r"(?<!\\)`[^`\n]*`", "", shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_description_of_an_image_has_no_changes_of_direction(text: str) -> None:
    assert re.search("[\u202a-\u202e\u2066-\u2069\n]", texts.alt(text)) is None


@given(st.text(), st.integers(1, 300))
def test_escaped_text_fits_and_says_the_same(text: str, limit: int) -> None:
    assert len(escaped(text, limit)) <= limit
    assert re.sub(r"\\(.)", r"\1", escaped(text)).replace("\u200b", "") == plain(text).replace("\u200b", "")


@pytest.mark.parametrize("head", HEADS)
def test_a_line_does_not_begin_with_a_mark(head: str) -> None:
    assert not escaped(head).startswith(head)
