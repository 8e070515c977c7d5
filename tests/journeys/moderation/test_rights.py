"""Every row of the permission table, tried by everybody: by button, menu, reaction, form and forged id.

The tests share one bot; each allowed press has its own image.
"""

from __future__ import annotations

import io
from contextlib import nullcontext

import discord
import pytest
from PIL import Image

from bot.domain.guild.document import changed, document
from bot.domain.job import Job, JobState
from bot.domain.moderation.cases import Case, Decision
from bot.domain.money.sponsorship import SponsorshipState
from bot.domain.permissions import Action
from bot.domain.preferences import Consent
from bot.services.guilds import fingerprint
from bot.store import tables, tray
from bot.store.moderation import cases, reports
from cogs.images import edit_form
from cogs.images.more import ACT
from sandbox.person import Message
from tests.journeys.images.test_presses import posted
from tests.journeys.manager_steps import grant, guild_of
from tests.journeys.moderation.rights_steps import (
    AUTHOR,
    EVERYBODY,
    HERE,
    MANAGER,
    MEMBER,
    MODERATOR,
    MODERATORS,
    OUTSIDER,
    Done,
    Pressed,
    Stage,
    cancelled,
    decided,
    in_state,
    opened,
    ordered,
    outcome,
    sentences,
    shown,
    stuck,
    where,
)
from tests.services.conftest import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def in_panel(action: str, job: Job, message: Message) -> str:
    """The id of a button in the panel behind More, which shows only what this member may do."""
    return ACT(action=action, job=job.id, n=0, message=int(message.id))


async def cancel_button(stage: Stage, who: str) -> Done:
    job, message = await stage.waiting()
    if who == OUTSIDER:
        await stage.forged(who, f"v1:cancel:{job.id}:0")
    else:
        await stage.people[who].click(await stage.seen_by(who, message), "Cancel")
    return cancelled(stage, job)


async def cancel_reaction(stage: Stage, who: str) -> Done:
    job, message = await stage.waiting()
    await stage.people[who].react(await stage.seen_by(who, message), "❌")
    return cancelled(stage, job)


async def delete_button(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    here = who != OUTSIDER
    await stage.forged(who, in_panel("really", job, message) if here else f"v1:delete:{job.id}:0", panel=here)
    return in_state(stage, job, JobState.DELETED)


async def delete_reaction(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    await stage.people[who].react(await stage.seen_by(who, message), "❌")
    return in_state(stage, job, JobState.DELETED)


async def delete_without_a_job(stage: Stage, who: str) -> Done:
    """Once a job is deleted, Discord still says who asked for its message."""
    job, message = await stage.image()
    await stage.app.store.write(lambda conn: conn.execute(tables.jobs.delete().where(tables.jobs.c.id == job.id)))
    await stage.forged(who, in_panel("really", job, message), panel=True)

    async def is_gone() -> bool:
        return all(m.id != message.id for m in stage.author.messages())

    return is_gone


async def hide_reaction(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    await stage.people[who].react(await stage.seen_by(who, message), "🙈")

    async def is_hidden() -> bool:
        return (await stage.app.services.orders.job(job.id)).spoiler

    return is_hidden


async def report_button(stage: Stage, who: str) -> Done:
    job, message = await stage.still()
    is_open = opened(stage, who)
    await stage.forged(who, in_panel("report", job, message))
    return is_open


async def report_in_direct_messages(stage: Stage, who: str) -> Done:
    job, message = await stage.image(who, "dm")
    is_open, person, report = opened(stage, who), stage.people[who], in_panel("report", job, message)
    await person.click(await posted(stage.app, person, report, where="dm"), report)
    return is_open


async def report_menu(stage: Stage, who: str) -> Done:
    _, message = await stage.still()
    is_open = opened(stage, who)
    await stage.people[who].menu("Report image", await stage.seen_by(who, message))
    return is_open


async def report_reaction(stage: Stage, who: str) -> Done:
    _, message = await stage.image()
    await stage.people[who].react(await stage.seen_by(who, message), "🚩")

    async def is_stored() -> bool:
        flags = await stage.app.store.read(reports.about, int(stage.author.id), guild_of(stage.author), limit=99)
        return any((flag.message_id, flag.user_id) == (int(message.id), int(stage.people[who].id)) for flag in flags)

    return is_stored


async def details_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.still(private=True)
    words = shown(stage, who, "**Support code** `")
    await stage.forged(who, f"v1:details:{job.id}:0")
    return words


async def lineage_step(stage: Stage, who: str) -> Done:
    private, public = (await stage.still(private=True))[0], (await stage.still())[0]
    is_redrawn = shown(stage, who, private.id)
    await stage.forged(who, f"v1:kin:{public.id}", menu=private.id, panel=True)
    return is_redrawn


async def lineage_back(stage: Stage, who: str) -> Done:
    private, _ = await stage.still(private=True)
    is_redrawn = shown(stage, who, private.id)
    await stage.forged(who, f"v1:kin-back:{private.id}", panel=True)
    return is_redrawn


async def again_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.still(private=True)
    is_ordered = await ordered(stage, who)
    await stage.forged(who, f"v1:again:{job.id}:0")
    return is_ordered


async def retry_button(stage: Stage, who: str) -> Done:
    """Only the member for whom the button is may change what was ordered."""
    job, _ = await stage.still()
    is_open = opened(stage, who)
    await stage.forged(who, f"v1:retry-job:{job.id}:{stage.author.id}:off")
    return is_open


async def original_reaction(stage: Stage, who: str) -> Done:
    job, _ = await stage.still(private=True)
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    content.seek(0)
    channel = stage.app.client.get_partial_messageable(int(stage.author.channel("studio")))
    sent = await channel.send(file=discord.File(content, f"easel-{job.id}-1.png"))
    copy = await stage.people[who].message(lambda m: m.id == str(sent.id))
    done = shown(stage, who, job.prompt, "dm")
    await stage.people[who].react(copy, "✉️")
    return done


async def withheld(stage: Stage, who: str) -> Message:
    """An image whose author lets nobody edit it, as this person sees it."""
    _, message = await stage.still()
    await stage.app.services.members.change(int(stage.author.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    return await stage.seen_by(who, message)


async def edit_button(stage: Stage, who: str) -> Done:
    is_open = opened(stage, who)
    await stage.people[who].click(await withheld(stage, who), "Edit")
    return is_open


async def edit_menu(stage: Stage, who: str) -> Done:
    is_open = opened(stage, who)
    await stage.people[who].menu("Edit with Easel", await withheld(stage, who))
    return is_open


async def edit_reaction(stage: Stage, who: str) -> Done:
    asked = shown(stage, who, f"<@{stage.people[who].id}>, what should change")
    await stage.people[who].react(await withheld(stage, who), "✏️")
    return asked


async def preset_reaction(stage: Stage, who: str) -> Done:
    is_ordered = await ordered(stage, who)
    await stage.people[who].react(await withheld(stage, who), "🎨")
    return is_ordered


async def reference_menu(stage: Stage, who: str) -> Done:
    message = await withheld(stage, who)

    async def is_kept() -> bool:
        return bool(await stage.app.store.read(tray.of, int(stage.people[who].id)))

    await stage.people[who].menu("Use as reference", message)
    return is_kept


async def cases_button(stage: Stage, who: str) -> Done:
    listed = shown(stage, who, "Cases")
    await stage.forged(who, "v1:mod:open", panel=True)
    return listed


async def usage_button(stage: Stage, who: str) -> Done:
    is_redrawn = shown(stage, who, "Last 30 days")
    await stage.forged(who, "v1:usage:kind:30:model:-", panel=True)
    return is_redrawn


async def purge_button(stage: Stage, who: str) -> Done:
    is_purged = shown(stage, who, "🧹")
    await stage.forged(who, f"v1:mod:purge:{stage.people[MEMBER].id}", panel=True)
    return is_purged


async def case_about(stage: Stage, job: Job, message: Message) -> Case:
    """A case that a moderator's report opens."""
    await stage.people[MODERATOR].react(await stage.seen_by(MODERATOR, message), "🚩")
    return await eventually(lambda: stage.app.store.read(cases.latest_about, job.id, guild_of(stage.author)))


async def case_button(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    case = await case_about(stage, job, message)
    await stage.forged_decision(who, f"v1:case:delete:{case.id}")
    return in_state(stage, job, JobState.DELETED)


async def case_in_a_panel(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    case = await case_about(stage, job, message)
    await stage.forged_decision(who, f"v1:mod:decide:{case.id}:delete:0", panel=True)
    return in_state(stage, job, JobState.DELETED)


async def unknown_case(stage: Stage, who: str) -> Done:
    """Members do not learn whether there is such a case."""
    is_answered = shown(stage, who, "no case")
    await stage.forged(who, "v1:case:delete:999999")
    return is_answered


async def judge_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.image()
    await stage.forged_decision(who, f"v1:judge:delete:{job.id}")
    return in_state(stage, job, JobState.DELETED)


async def judge_own_image(stage: Stage, who: str, decision: Decision) -> Done:
    job, _ = await stage.image(MANAGER if who == OUTSIDER else who)
    await stage.forged_decision(who, f"v1:judge:{decision}:{job.id}")
    return decided(stage, job)


async def refund_own_image(stage: Stage, who: str) -> Done:
    return await judge_own_image(stage, who, Decision.REFUND)


async def keep_own_image(stage: Stage, who: str) -> Done:
    return await judge_own_image(stage, who, Decision.KEEP)


async def delete_own_image(stage: Stage, who: str) -> Done:
    return await judge_own_image(stage, who, Decision.DELETE)


async def appeal_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.image()
    await stage.forged(MANAGER, f"v1:judge:spoiler:{job.id}")
    latest = await eventually(decided(stage, job))
    is_open = opened(stage, who)
    await stage.forged(who, f"v1:appeal:{latest.id}")
    return is_open


async def delete_in_history(stage: Stage, who: str) -> Done:
    job, _ = await stage.image()
    await stage.forged(who, f"v1:history:delete:{job.id}:0:", panel=True)
    return in_state(stage, job, JobState.DELETED)


async def form_of_another(stage: Stage, who: str) -> Done:
    """With the author's form open, another person submits a forged copy of it."""
    _, message = await stage.still()
    await stage.author.click(message, "Edit")
    form = (await stage.author.modal()).custom_id
    job, _ = await stage.image(MANAGER if who == OUTSIDER else who, where(who))
    own = next(m for m in stage.people[who].messages(where(who)) if job.prompt in m.content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_form, "_FORM", lambda **_fields: form)
        await stage.people[who].click(own, "Edit")
        modal = await stage.people[who].modal()
    is_ordered = await ordered(stage, who)
    await stage.people[who].submit(modal, prompt="at night")
    return is_ordered


async def note_button(stage: Stage, who: str) -> Done:
    _, message = await stage.still()
    is_open = opened(stage, who)
    await stage.forged(who, f"v1:describe:{message.channel_id}:{message.id}:{stage.author.id}")
    return is_open


async def settings_button(stage: Stage, who: str) -> Done:
    is_redrawn = shown(stage, who, "Easel on")
    await stage.forged(who, "v1:admin:refresh", panel=True)
    return is_redrawn


async def apply_file(stage: Stage, who: str, *, by: str = MANAGER) -> Done:
    """Apply a settings file that the manager has imported."""
    now, number = (await stage.app.services.guilds.settings(guild_of(stage.author))).policy, next(stage.numbers)
    wanted = changed(now, {"pause": {"reason": f"Reason {number}"}})
    await stage.app.services.orders.keep(f"form:{number}", {"user_id": int(stage.people[by].id), "policy": document(wanted)})
    await stage.forged(who, f"v1:admin:apply:{number}:{fingerprint(now)[:16]}", panel=True)

    async def is_applied() -> bool:
        return (await stage.app.services.guilds.settings(guild_of(stage.author))).policy == wanted

    return is_applied


async def apply_file_of_another(stage: Stage, who: str) -> Done:
    return await apply_file(stage, who, by=AUTHOR)


async def end_button(stage: Stage, who: str) -> Done:
    """Press the end button of the author's sponsorship, which is started again each time."""
    if not any("End sponsorship" in m.buttons for m in stage.author.messages()):
        await grant(stage.app, stage.author, 100)
        await stage.author.slash("sponsor start", credits=1)
    line = await stage.author.message(lambda m: "End sponsorship" in m.buttons)
    sponsorship = line.buttons["End sponsorship"]["custom_id"].rpartition(":")[2]
    if who == OUTSIDER:
        await stage.forged(who, line.buttons["End sponsorship"]["custom_id"], panel=True)
    else:
        await stage.people[who].click(await stage.seen_by(who, line), "End sponsorship")

    async def is_over() -> bool:
        return (await stage.app.services.money.sponsorship(sponsorship)).state is not SponsorshipState.OPEN

    return is_over


PRESSES: list[tuple[Action, Pressed, set[str], set[str]]] = [
    (Action.CANCEL, cancel_button, EVERYBODY, {AUTHOR, *MODERATORS}),
    (Action.CANCEL, cancel_reaction, HERE, {AUTHOR, *MODERATORS}),
    (Action.DELETE, delete_button, EVERYBODY, {AUTHOR, *MODERATORS}),
    (Action.DELETE, delete_reaction, HERE, {AUTHOR, *MODERATORS}),
    (Action.DELETE, delete_without_a_job, HERE, {AUTHOR, *MODERATORS}),
    (Action.HIDE, hide_reaction, HERE, {AUTHOR, *MODERATORS}),
    (Action.FLAG, report_button, HERE, HERE - {AUTHOR}),
    (Action.FLAG, report_in_direct_messages, {AUTHOR}, set()),
    (Action.FLAG, report_menu, HERE, HERE - {AUTHOR}),
    (Action.FLAG, report_reaction, HERE, HERE - {AUTHOR}),
    (Action.SEE, details_button, EVERYBODY, {AUTHOR}),
    (Action.SEE, lineage_step, EVERYBODY, {AUTHOR}),
    (Action.SEE, lineage_back, EVERYBODY, {AUTHOR}),
    (Action.AGAIN, again_button, EVERYBODY, {AUTHOR}),
    (Action.RETRY, retry_button, EVERYBODY, {AUTHOR}),
    (Action.ORIGINAL, original_reaction, HERE, {AUTHOR}),
    (Action.USE, edit_button, HERE, {AUTHOR}),
    (Action.USE, edit_menu, HERE, {AUTHOR}),
    (Action.USE, edit_reaction, HERE, {AUTHOR}),
    (Action.USE, preset_reaction, HERE, {AUTHOR}),
    (Action.USE, reference_menu, HERE, {AUTHOR}),
    (Action.MODERATE, cases_button, EVERYBODY, MODERATORS),
    (Action.MODERATE, purge_button, EVERYBODY, MODERATORS),
    (Action.MODERATE, usage_button, EVERYBODY, MODERATORS),
    (Action.DECIDE, judge_button, EVERYBODY, MODERATORS),
    (Action.DECIDE, case_button, EVERYBODY, MODERATORS),
    (Action.DECIDE, case_in_a_panel, EVERYBODY, MODERATORS),
    (Action.DECIDE, unknown_case, {AUTHOR, MEMBER}, set()),
    (Action.DECIDE, refund_own_image, EVERYBODY, {MANAGER}),
    (Action.DECIDE, keep_own_image, EVERYBODY, {MANAGER}),
    (Action.DECIDE, delete_own_image, EVERYBODY, MODERATORS),
    (Action.APPEAL, appeal_button, EVERYBODY, {AUTHOR}),
    (Action.MANAGE, settings_button, EVERYBODY, {MANAGER}),
    (Action.MANAGE, apply_file, EVERYBODY, {MANAGER}),
    (Action.STOP_SPONSORSHIP, end_button, EVERYBODY, {AUTHOR, *MODERATORS}),
    (Action.BROWSE, delete_in_history, EVERYBODY, {AUTHOR}),
    (Action.SEND, form_of_another, EVERYBODY, {AUTHOR}),
    (Action.SEND, apply_file_of_another, {MANAGER}, set()),
    (Action.ANSWER, note_button, HERE, {AUTHOR}),
]


@pytest.mark.parametrize(("action", "press", "tried", "allowed"), PRESSES, ids=[f"{row[0].name}-{row[1].__name__}" for row in PRESSES])
async def test_each_row_of_the_table_holds_for_everybody(
    stage: Stage, action: Action, press: Pressed, tried: set[str], allowed: set[str]
) -> None:
    with stuck(stage) if action is Action.CANCEL else nullcontext():  # what is to be cancelled must not end by itself
        came = {who: await outcome(stage, press, who) for who in sorted(tried)}
    assert {who for who, sentence in came.items() if sentence is None} == allowed
    known = {sentence for who in tried for sentence in sentences(action, stage.author)}
    assert {sentence for sentence in came.values() if sentence is not None} <= known
