"""Texts about a job without a prompt say what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.domain.job import GalleryEntry, GenerationState, Job, JobKind
from bot.domain.lineage import Aspect, Lineage, changes
from bot.domain.order import Receipt
from bot.services.pipeline.delivery.routes import ResultMessage
from cogs.images import detail_texts, history_texts
from cogs.kit import autocomplete, job_texts, texts
from cogs.moderation import case_texts, member_texts
from cogs.reactions import file_texts
from tests.env.jobs import generation, new_job
from tests.env.models import catalog_of

(MODEL,) = catalog_of({"id": "one"}).models
UPSCALE = replace(
    new_job(prompt="", generations=(generation(prompt="", state=GenerationState.SUCCEEDED),)), kind=JobKind.UPSCALE, parent_id="parent"
)
PARENT = replace(new_job(prompt="a fox"), id="parent")
STARRED = GalleryEntry(message_id=1, guild_id=1, job_id=UPSCALE.id, author_id=1, at=0, stars=3, post_message_id=None)
TEXTS: dict[str, Callable[[Job], str]] = {
    "waiting": lambda job: job_texts.waiting(Receipt(job=job, model=MODEL, ahead=0, usual_ms=None)),
    "finished": lambda job: job_texts.finished(ResultMessage(job=job, images=(), notes=()), str),
    "hidden": lambda job: job_texts.finished(ResultMessage(job=replace(job, spoiler=True), images=(), notes=()), str),
    "direct message": job_texts.direct_message,
    "history": lambda job: history_texts.in_list(1, job, str, left_out=0),
    "alone": lambda job: history_texts.alone(job, str),
    "log": lambda job: case_texts.log_entry(job, str, None),
    "gallery": lambda job: case_texts.gallery(job, STARRED, 1, str),
    "member": lambda job: member_texts._job(job, str),
    "original": lambda job: file_texts.original(job, str, ""),
    "cancel": lambda job: autocomplete.named_jobs([job])[0][0],
    "relative": lambda job: detail_texts._relative(job, (), str),
    "alt": lambda job: texts.alt(job.prompt),
}


@pytest.mark.parametrize("about", TEXTS)
def test_an_upscale_is_named_where_others_show_their_prompt(about: str) -> None:
    text = TEXTS[about](UPSCALE)
    assert "Upscaled image" in text
    assert "****" not in text


@pytest.mark.parametrize("about", [about for about in TEXTS if about != "alt"])
def test_the_prompt_of_an_upscale_is_shown_if_there_is_one(about: str) -> None:
    assert "an old oak" in TEXTS[about](replace(UPSCALE, prompt="an old oak"))


def test_details_name_the_relation_and_not_the_missing_prompt() -> None:
    linked = replace(UPSCALE, origin_channel_id=1, origin_message_id=2)
    text = detail_texts.details(linked, str)
    assert ("**Upscaled from**" in text, "**Prompt**" in text) == (True, False)
    family = Lineage(job=PARENT, parent=None, siblings=(), children=(UPSCALE,), left_out=0)
    assert detail_texts.relation(family, UPSCALE) == ("⬇️", "Upscale of this image")
    assert Aspect.PROMPT not in {change.aspect for change in changes(PARENT, UPSCALE)}
