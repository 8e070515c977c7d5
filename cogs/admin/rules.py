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
from cogs.admin import panel_texts, suggestions
from cogs.admin.changing import Patch, change
from cogs.kit import answers, interactions, panels, texts
from cogs.kit.request import Interaction, request_of, services_of

_ENTRY_MAX = 260  # characters


class RuleCommands(commands.Cog):
    """The subgroup /imageadmin rules."""

    rules = app_commands.Group(name="rules", description="Words and patterns that prompts are judged by")

    @rules.command(name="list", description="All of them")
    async def list_rules(self, interaction: Interaction) -> None:
        await panels.show(interaction, panel_texts.rule_list((await request_of(interaction)).policy))

    @rules.command(name="add", description="Add a word or a pattern")
    @app_commands.describe(
        to="allow: taken out first; flag: made behind a spoiler; block: refused",
        word="A word or phrase; cat* is the beginning of one, *cat the end",
        pattern="An RE2 pattern",
        exact="Find the word only as it is written, not taken apart as in c.a.t",
    )
    async def add_rule(
        self,
        interaction: Interaction,
        to: ListName,
        word: app_commands.Range[str, 1, 60] | None = None,
        pattern: app_commands.Range[str, 1, _ENTRY_MAX] | None = None,
        exact: bool = False,
    ) -> None:
        if (word is None) == (pattern is None):
            raise InvalidRequest(_("Give a word or a pattern, one of them."))
        kind = "patterns" if word is None else "exact_words" if exact else "words"
        entry = word or pattern or ""

        def patch(policy: Policy) -> Patch:
            before = policy.prompts.list(to).model_dump(mode="json")
            moved = () if word is None else ("words", "exact_words")  # a word is in one of both
            others = {each: [other for other in before[each] if other != entry] for each in moved}
            return {"prompts": {to: {**others, kind: list(dict.fromkeys([*before[kind], entry]))}}}

        await change(await request_of(interaction), interaction, patch)
        await interactions.say(interaction, panel_texts.listed(entry, to))

    @rules.command(name="remove", description="Take a word, a pattern or a picture's fingerprint away")
    @app_commands.describe(entry="Which one")
    @app_commands.autocomplete(entry=suggestions.entry)
    async def remove_rule(self, interaction: Interaction, entry: app_commands.Range[str, 1, _ENTRY_MAX]) -> None:
        await change(await request_of(interaction), interaction, lambda policy: _without(policy, entry))
        await interactions.say(interaction, panel_texts.unlisted(entry))

    @rules.command(name="test", description="What the rules say of a prompt; nothing is made")
    @app_commands.describe(prompt="The words to judge")
    async def test_rules(self, interaction: Interaction, prompt: app_commands.Range[str, 1, 2000]) -> None:
        verdict, hits = await services_of(interaction).admissions.test(await request_of(interaction), prompt)
        await panels.show(interaction, panel_texts.tested(prompt, verdict.level, hits))

    @rules.command(name="import", description="Take over the words of this server's AutoMod")
    async def import_automod(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        await answers.defer(interaction)
        try:
            automod_rules = await interaction.client.http.get_auto_moderation_rules(request.required_guild_id)
        except discord.Forbidden:
            raise NotAllowed(_("Easel may not read AutoMod here: Discord shows it to bots with the permission Manage Server.")) from None
        found = await services_of(interaction).managing.run(request.guild_id, from_automod, automod_rules)
        now = await change(request, interaction, lambda policy: {"prompts": policy.prompts.plus(found.rules).model_dump(mode="json")})
        added = max(0, _size(now.policy) - _size(request.policy))
        await panels.show(interaction, panels.panel(panels.text(panel_texts.imported(found, added))))

    @rules.command(name="hash", description="Never show pictures that look like this one")
    @app_commands.describe(image="The picture; only its fingerprint is kept", distance="Bits of 64 that may differ; 8 is usual")
    async def add_hash(
        self, interaction: Interaction, image: discord.Attachment, distance: app_commands.Range[int, 0, 16] | None = None
    ) -> None:
        request = await request_of(interaction)
        await answers.defer(interaction)
        fingerprint = f"{await services_of(interaction).orders.fingerprint(interactions.attachment_of(image), request):016x}"

        def patch(policy: Policy) -> Patch:
            hashes = [*dict.fromkeys([*policy.known_bad.hashes, fingerprint])]
            return {"known_bad": {"hashes": hashes, "distance": policy.known_bad.distance if distance is None else distance}}

        now = await change(request, interaction, patch)
        await interactions.say(interaction, panel_texts.known_bad(fingerprint, len(now.policy.known_bad.hashes)))


def _without(policy: Policy, entry: str) -> Patch:
    """A patch that removes an entry from every list. Raises `NotFound` if no list has it."""
    rules = policy.prompts.model_dump(mode="json", include={str(name) for name in ListName})
    shorter = {
        name: {kind: [each for each in entries if each != entry] for kind, entries in kinds.items()} for name, kinds in rules.items()
    }
    hashes = [each for each in policy.known_bad.hashes if each != entry.lower()]
    if shorter == rules and len(hashes) == len(policy.known_bad.hashes):
        raise NotFound(_("No list has {entry}; /imageadmin rules list shows what there is.").format(entry=texts.quoted(entry)))
    return {"prompts": shorter, "known_bad": {"hashes": hashes}}


def _size(policy: Policy) -> int:
    lists = (policy.prompts.list(name) for name in ListName)
    return sum(len(each.entries) for each in lists)
