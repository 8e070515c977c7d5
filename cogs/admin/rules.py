"""/imageadmin rules: words and patterns for prompts, and known bad images."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.errors import InvalidRequest, NotAllowed, NotFound
from bot.core.i18n import _
from bot.domain.guild.document import Policy
from bot.domain.prompts.automod import from_automod
from bot.domain.prompts.rules import ListName
from bot.domain.request import Request
from cogs.admin import panel_texts, settings_texts, suggestions
from cogs.admin.changing import Patch, change
from cogs.kit import answers, autocomplete, interactions, panels, texts
from cogs.kit.request import Interaction, request_of, services_of

_ENTRY_MAX = 260  # characters


class RuleCommands(commands.Cog):
    """The subgroup /imageadmin rules."""

    rules = app_commands.Group(name="rules", description="Manage blocked, flagged and allowed words")

    @rules.command(name="list", description="Show all rules")
    async def list_rules(self, interaction: Interaction) -> None:
        await panels.show(interaction, panel_texts.rule_list((await request_of(interaction)).policy))

    @rules.command(name="add", description="Add a word or pattern to a list")
    @app_commands.describe(
        to="Block refuses the prompt, flag adds a spoiler, allow makes an exception",
        word="Word or phrase. cat* matches its start, *cat its end",
        pattern="RE2 regular expression",
        exact="Match only this exact spelling, not c.a.t or caaat",
    )
    @app_commands.choices(to=suggestions.named(settings_texts.LIST_CHOICES))
    async def add_rule(
        self,
        interaction: Interaction,
        to: ListName,
        word: app_commands.Range[str, 1, 60] | None = None,
        pattern: app_commands.Range[str, 1, _ENTRY_MAX] | None = None,
        exact: bool = False,
    ) -> None:
        if (word is None) == (pattern is None):
            raise InvalidRequest(_("Enter either a word or a pattern."))
        kind = "patterns" if word is None else "exact_words" if exact else "words"
        entry = word or pattern or ""

        def patch(policy: Policy) -> Patch:
            before = policy.prompts.list(to).model_dump(mode="json")
            moved = () if word is None else ("words", "exact_words")  # a word is in one of both
            others = {each: [other for other in before[each] if other != entry] for each in moved}
            return {"prompts": {to: {**others, kind: list(dict.fromkeys([*before[kind], entry]))}}}

        await change(await request_of(interaction), interaction, patch)
        await interactions.say(interaction, panel_texts.listed(entry, to))

    @rules.command(name="remove", description="Remove a word, pattern or blocked image")
    @app_commands.describe(entry="Choose from the list")
    @app_commands.autocomplete(entry=suggestions.entry)
    async def remove_rule(self, interaction: Interaction, entry: app_commands.Range[str, 1, _ENTRY_MAX]) -> None:
        request = await request_of(interaction)
        wanted = autocomplete.chosen(suggestions.named_entries(request.policy), entry)
        await change(request, interaction, lambda policy: _without(policy, wanted))
        await interactions.say(interaction, panel_texts.unlisted(wanted))

    @rules.command(name="test", description="Test a prompt against the rules (no image is created)")
    @app_commands.describe(prompt="Prompt to test")
    async def test_rules(self, interaction: Interaction, prompt: app_commands.Range[str, 1, 2000]) -> None:
        verdict, hits = await services_of(interaction).admissions.test(await request_of(interaction), prompt)
        await panels.show(interaction, panel_texts.tested(prompt, verdict.level, hits))

    @rules.command(name="import", description="Import words from this server's AutoMod")
    async def import_automod(self, interaction: Interaction) -> None:
        await answers.defer(interaction)
        _now, imported = await take_over_automod(await request_of(interaction), interaction)
        await panels.show(interaction, panels.panel(panels.text(imported)))

    @rules.command(name="hash", description="Block images that look like this one")
    @app_commands.describe(
        image="Image to block. Only a fingerprint is stored", tolerance="How different an image can be, 0 to 16 (8 is usual)"
    )
    async def add_hash(
        self, interaction: Interaction, image: discord.Attachment, tolerance: app_commands.Range[int, 0, 16] | None = None
    ) -> None:
        request = await request_of(interaction)
        await answers.defer(interaction)
        fingerprint = f"{await services_of(interaction).orders.fingerprint(interactions.attachment_of(image), request):016x}"

        def patch(policy: Policy) -> Patch:
            hashes = [*dict.fromkeys([*policy.known_bad.hashes, fingerprint])]
            return {"known_bad": {"hashes": hashes, "distance": policy.known_bad.distance if tolerance is None else tolerance}}

        now = await change(request, interaction, patch)
        await interactions.say(interaction, panel_texts.known_bad(fingerprint, len(now.policy.known_bad.hashes)))


async def take_over_automod(request: Request, interaction: Interaction) -> tuple[Request, str]:
    """Add the words of the server's AutoMod to the rules. Returns the request with the new ones, and what was added and skipped.

    Raises `NotAllowed` if Easel may not read them.
    """
    try:
        automod_rules = await interaction.client.http.get_auto_moderation_rules(request.required_guild_id)
    except discord.Forbidden:
        raise NotAllowed(_("Easel can't read AutoMod here. Give it the Manage Server permission, then try again.")) from None
    found = await services_of(interaction).managing.run(request.guild_id, from_automod, automod_rules)
    now = await change(request, interaction, lambda policy: {"prompts": policy.prompts.plus(found.rules).model_dump(mode="json")})
    added = max(0, _size(now.policy) - _size(request.policy))
    return now, panel_texts.imported(found, added)


def _without(policy: Policy, entry: str) -> Patch:
    """A patch that removes an entry from every list. Raises `NotFound` if no list has it."""
    rules = policy.prompts.model_dump(mode="json", include={str(name) for name in ListName})
    shorter = {
        name: {kind: [each for each in entries if each != entry] for kind, entries in kinds.items()} for name, kinds in rules.items()
    }
    hashes = [each for each in policy.known_bad.hashes if each != entry.lower()]
    if shorter == rules and len(hashes) == len(policy.known_bad.hashes):
        raise NotFound(_("{entry} isn't in the rules. Use /imageadmin rules list to see them.").format(entry=texts.quoted(entry)))
    return {"prompts": shorter, "known_bad": {"hashes": hashes}}


def _size(policy: Policy) -> int:
    lists = (policy.prompts.list(name) for name in ListName)
    return sum(len(each.entries) for each in lists)
