"""What is stored about a member, in words. `SUBJECTS` together name every table with personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.core.i18n import N_, _, ngettext
from bot.core.numbers import number
from bot.services.privacy import Retention
from cogs.kit.texts import PANEL_MAX


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Tables that are one subject to a member."""

    tables: frozenset[str]
    what: str
    how_long: str  # may contain {references} and {pictures}: how long these are kept


_UNTIL_ERASED = N_("Until you erase it.")

SUBJECTS = (
    Subject(
        tables=frozenset({"jobs", "generations"}),
        what=N_("**Requests**: your words, model, options, seeds, price, times, and in which message the answer stands."),
        how_long=_UNTIL_ERASED,
    ),
    Subject(
        tables=frozenset({"job_references"}),
        what=N_("**Reference pictures** that you handed in, cleaned of what cameras write into them."),
        how_long=N_("{references} after the answer, so that Again works."),
    ),
    Subject(
        tables=frozenset({"images", "thumbnails"}),
        what=N_("**Results**: the full picture where the image service handed it over at once, and a small one for /history."),
        how_long=N_("The full one {pictures}, the small one until you erase or delete it."),
    ),
    Subject(
        tables=frozenset({"accounts", "ledger", "sponsorships"}),
        what=N_("**Credits**: each amount that was held, spent, given or put in for others, by whom, and for which request."),
        how_long=N_(
            "Sums stay when you erase, under a random name. What you have left stays under your own until it has flowed back in full."
        ),
    ),
    Subject(
        tables=frozenset({"members"}),
        what=N_("**Settings** and styles that you saved, and the language of your Discord."),
        how_long=_UNTIL_ERASED,
    ),
    Subject(
        tables=frozenset({"tray", "kv"}),
        what=N_("**Between two steps**: what is in your tray, and which pictures an open form is about."),
        how_long=N_("A day."),
    ),
    Subject(
        tables=frozenset({"reactions"}),
        what=N_("**Reactions** that Easel acted on: which emoji, on which message."),
        how_long=_UNTIL_ERASED,
    ),
    Subject(
        tables=frozenset({"reports", "blocks", "strikes", "cases", "audit"}),
        what=N_("**Moderation**: flags and reports, by you or about your pictures; strikes, blocks and cases; and who decided what."),
        how_long=N_("It stays with its server when you erase, since leaving is no amnesty: with your id, without your words and pictures."),
    ),
    Subject(
        tables=frozenset({"gallery", "job_messages"}),
        what=N_("**Copies** in a server's gallery and where its moderators see them: in which messages."),
        how_long=N_("Until you erase it; the copies go as well."),
    ),
    Subject(
        tables=frozenset({"outbox"}),
        what=N_("**Promises**: a message to be sent or taken away, a reaction to be marked."),
        how_long=N_("Until they are kept, a day at most."),
    ),
)


def privacy(retention: Retention) -> str:
    """The text of /privacy."""
    spans = {"references": days(retention.references_days), "pictures": days(retention.images_days)}
    kept = [f"{_(subject.what)}\n-# {_(subject.how_long).format(**spans)}" for subject in SUBJECTS]
    lines = [
        "## " + _("What is kept of you"),
        _("Everything is in this bot's own database, which its operator can read. Nothing of it is sold, or used for advertising."),
        *kept,
        "### " + _("Where it goes"),
        _("Your words and references go to the image service that makes the picture: {services}. It is not told who you are.").format(
            services=", ".join(retention.services)
        ),
        *_checked(retention),
        _("Results are shown on Discord. The operator's log names requests and members by their ids, without words and pictures."),
        "### " + _("What you can do"),
        _("`/mydata export` sends you all of it. `/mydata erase` removes it at once. **Delete**, also in /history, removes one picture."),
    ]
    return "\n".join(lines)[:PANEL_MAX]


def _checked(retention: Retention) -> Iterator[str]:
    if retention.checker is not None:
        text = _("Servers may have words and results checked by {service} before they are shown. It is not told who you are either.")
        yield text.format(service=retention.checker)


def before_erasing() -> str:
    """The question before everything is erased."""
    lines = [
        "## " + _("Erase what is yours?"),
        _("Your requests, pictures, references, settings, styles, tray and reactions are removed at once, and cannot be brought back."),
        "- " + _("The messages with your pictures are deleted wherever the bot may do so. What only you see, you dismiss yourself."),
        "- " + _("What waits is cancelled. What is being made already cannot always be stopped; nobody is shown what comes of it."),
        "- " + _("Edits that others made of your pictures are theirs, and stay. The copies that they were made from are removed."),
        "- " + _("Strikes, blocks, flags and cases stay with their servers under your id, without your words and pictures."),
        "- " + _("Sums in the ledger stay under a random name. What you pay for others ends, and its rest comes back."),
        "- " + _("What is left of your credits stays, up to a full bucket, so that erasing is no way to fill one."),
    ]
    return "\n".join(lines)


def erased(counts: Mapping[str, int]) -> str:
    """The answer after everything was erased."""
    messages = counts.get("messages", 0)
    sentence = _("Done. What is left of your credits leads to you until the rest has flowed back, and what moderators go by; nothing else.")
    if not messages:
        return f"🧹 {sentence}"
    away = ngettext("{count} message is being deleted.", "{count} messages are being deleted.", messages)
    return f"🧹 {sentence} {away.format(count=messages)}"


def export(counts: Mapping[str, int]) -> str:
    """The message with the exported file."""
    lines = ["## " + _("Everything that is kept of you"), *(f"- {name}: {count}" for name, count in counts.items() if count)]
    return "\n".join(lines)


def days(count: float) -> str:
    """A span of time in days."""
    if count <= 0:
        return _("not at all")
    if count == 1:
        return _("a day")
    return _("{count} days").format(count=number(count))
