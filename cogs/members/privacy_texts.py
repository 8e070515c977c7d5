"""What is stored about a member, in words. `SUBJECTS` together name every table with personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.core import commands
from bot.core.i18n import N_, _, ngettext
from bot.core.numbers import number
from bot.domain.catalog.options import comma_list
from bot.services.privacy import Retention
from cogs.kit.texts import PANEL_MAX


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Tables that are one subject to a member."""

    tables: frozenset[str]
    name: str
    what: str
    how_long: str  # may contain the names of `KeepDays` in braces: how long these are kept


_UNTIL_ERASED = N_("Until you delete it.")

SUBJECTS = (
    Subject(
        tables=frozenset({"jobs", "generations"}),
        name=N_("Requests"),
        what=N_("prompt, model, options, seed, price, times, and where the result was posted."),
        how_long=N_("{jobs}, unless you delete it earlier. Longer if moderators have a case or a report about it."),
    ),
    Subject(
        tables=frozenset({"job_references"}),
        name=N_("Reference images"),
        what=N_("the images that you attached, without hidden data such as where a photo was taken."),
        how_long=N_("{references} after the result, so that Again works."),
    ),
    Subject(
        tables=frozenset({"images", "thumbnails"}),
        name=N_("Results"),
        what=N_("full images, if the image service sent them directly, and small previews for your history."),
        how_long=N_("Full images: {images}. Previews: {thumbnails}, unless you delete them earlier."),
    ),
    Subject(
        tables=frozenset({"accounts", "ledger", "daily_usage", "sponsorships"}),
        name=N_("Credits"),
        what=N_("what was reserved, spent, refunded, given and sponsored, by whom, and for which request, and your images per day."),
        how_long=N_("After you delete your data: totals without your ID, and your balance until it has refilled."),
    ),
    Subject(
        tables=frozenset({"members"}),
        name=N_("Settings"),
        what=N_("your settings, your styles, and the language of your Discord."),
        how_long=_UNTIL_ERASED,
    ),
    Subject(
        tables=frozenset({"tray", "kv"}),
        name=N_("Tray and open forms"),
        what=N_("the images in your tray, which images an open form is about, and what you wrote in an order that was refused."),
        how_long=N_("One day."),
    ),
    Subject(
        tables=frozenset({"reactions"}),
        name=N_("Reactions"),
        what=N_("which emoji the bot acted on, on which message, and which messages mentioned it."),
        how_long=N_("30 days. Stars: {jobs}."),
    ),
    Subject(
        tables=frozenset({"reports", "blocks", "strikes", "cases", "audit"}),
        name=N_("Moderation"),
        what=N_("reports, strikes, blocks, cases, and who decided what."),
        how_long=N_("{moderation}, under your user ID. Who decided what: {audit}. Cases that aren't decided stay."),
    ),
    Subject(
        tables=frozenset({"gallery", "job_messages"}),
        name=N_("Copies"),
        what=N_("where your images were also posted: in a server's gallery, and for its moderators."),
        how_long=N_("As long as the request. If you delete the image, the copies are deleted too."),
    ),
    Subject(
        tables=frozenset({"outbox"}),
        name=N_("Pending work"),
        what=N_("messages to send or delete, and reactions to add."),
        how_long=N_("At most a day."),
    ),
)


def privacy(retention: Retention) -> str:
    """The text of /privacy, in three sentences."""
    lines = [
        "## " + _("Your privacy"),
        _("The bot stores your prompts, images, credits and settings; only its operator can read them, and nothing is sold."),
        _(
            "To create, edit or upscale an image, your prompt and reference images are sent to {services}, without your name and without"
            " hidden data such as where a photo was taken."
        ).format(services=comma_list(retention.services)),
        _("{mydata_export} sends you a copy of your data, and {mydata_erase} deletes it.").format(**_commands()),
    ]
    return "\n".join(lines)


def stored(retention: Retention) -> str:
    """What is stored, how long, and where it goes."""
    spans = {name: days(count) for name, count in vars(retention.keep).items()}
    kept = [f"**{_(each.name)}**: {_(each.what)}\n-# {_(each.how_long).format(**spans)}" for each in SUBJECTS]
    lines = [
        "## " + _("What is stored"),
        *kept,
        "### " + _("Who receives it"),
        _("{services}: prompts, and reference images without hidden data.").format(services=comma_list(retention.services)),
        *_checked(retention),
        _("Discord shows your results. The operator's logs contain user IDs, but no prompts or images."),
        "### " + _("Delete it"),
        _("**Delete** below an image or in {history} deletes that image. {mydata_erase} deletes everything.").format(**_commands()),
    ]
    return "\n".join(lines)[:PANEL_MAX]


def _checked(retention: Retention) -> Iterator[str]:
    if retention.checker is not None:
        text = _("{service}: prompts and results that a server has checked before they are shown, without your name.")
        yield text.format(service=retention.checker)


def _commands() -> dict[str, str]:
    return commands.mentions("mydata export", "mydata erase", "history")


def before_erasing(retention: Retention) -> str:
    """The question before everything is erased."""
    lines = [
        "## " + _("Delete all your data?"),
        _("Your requests, images, settings, styles, tray and reactions are deleted now. This can't be undone."),
        "- " + _("Messages with your images are deleted where the bot can. Dismiss the ones that only you see."),
        "- "
        + _("Messages with images older than {span} stay, because the bot no longer knows them.").format(span=days(retention.keep.jobs)),
        "- " + _("Queued images are cancelled. Images that are being generated can't always be stopped, but are never shown."),
        "- " + _("Other members' edits of your images stay. The originals that they edited are deleted."),
        "- " + _("Servers keep moderation records under your user ID, without your prompts or images."),
        "- " + _("Credit totals stay under a random ID. If you pay for others, that ends and the rest is refunded."),
        "- " + _("Your remaining credits stay, so deleting your data doesn't refill them."),
    ]
    return "\n".join(lines)


def erased(counts: Mapping[str, int]) -> str:
    """The answer after everything was erased."""
    messages = counts.get("messages", 0)
    sentence = _("Your data was deleted. Moderation records stay, and your balance until it has refilled.")
    if not messages:
        return f"🧹 {sentence}"
    away = ngettext("{count} message is being deleted.", "{count} messages are being deleted.", messages)
    return f"🧹 {sentence} {away.format(count=number(messages))}"


def export(counts: Mapping[str, int], *, files: int = 1) -> str:
    """The message with the exported file, or the first of several. `counts`: rows by table."""
    found = [_(subject.name) for subject in SUBJECTS if any(counts.get(table) for table in subject.tables)]
    contents = _("The file contains: {subjects}.").format(subjects=comma_list(found)) if found else _("Nothing is stored about you.")
    if files > 1:
        contents = _("It comes in {count} files, which contain: {subjects}.").format(count=number(files), subjects=comma_list(found))
    return "\n".join(["## " + _("Your data"), contents])


def days(count: float) -> str:
    """A span of time in days."""
    return ngettext("{count} day", "{count} days", 1 if count == 1 else 2).format(count=number(count))
