"""Settings, examples and figures in the documents."""

from __future__ import annotations

import json
import re

import pytest

from bot import __version__
from bot.core import config
from bot.core.config import NAMES, Settings
from bot.core.settings.endpoints import Endpoint, EndpointModel, OxenSettings
from bot.domain.catalog.models import Catalog
from bot.domain.guild.document import Policy, read_file
from bot.providers.openai_models import models_of
from bot.store.tables import metadata
from cogs.members.privacy_texts import SUBJECTS
from tests.documents.pages import DOCS, PAGES, Page, page, rows
from tests.imports import PROJECT

NEEDED = {"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b"}
OTHERS = {"NAME_FILE", "RAILWAY_RUN_UID", "REQUEST_TIMEOUT"}  # stands for each of them, is a host's, is a proxy's
_NAME = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|SERVERS|SHARDS"
# Ids in examples of endpoints that are not described in this repository.
OUTSIDE = {"gpt-image-2", "sd-xl", "what-your-server-calls-it", "what-this-one-calls-it"}
OXEN = json.loads((PROJECT / "sandbox" / "images" / "models.json").read_text("utf-8"))
KNOWN = json.loads((PROJECT / "bot" / "providers" / "known_models.json").read_text("utf-8"))
MODELS = OUTSIDE | {model["id"] for model in [*OXEN, *(each for models in KNOWN.values() for each in models)]}


def code(here: Page) -> list[str]:
    return [*here.spans, *(line for _language, block in here.blocks for line in block.splitlines())]


def names(here: Page) -> set[str]:
    return {name for part in code(here) for name in re.findall(rf"(?<![\w.])(?:{_NAME})\b", part)}


def examples(here: Page) -> list[tuple[str, str]]:
    """Settings with a value."""
    return [(match[1], match[2]) for part in code(here) if (match := re.fullmatch(rf"({_NAME})=(\S+)", part.strip()))]


def json_blocks(kind: type) -> list[str]:
    blocks = [block for here in PAGES for language, block in here.blocks if language == "json"]
    return [block for block in blocks if isinstance(json.loads(block), kind)]


# --- the operator's settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_named_settings_exist(here: Page) -> None:
    assert names(here) - config.NAMES - OTHERS == set()


def test_every_setting_is_in_a_document() -> None:
    assert {name.upper() for name in Settings.model_fields} - {name for here in DOCS for name in names(here)} == set()


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_values_in_examples_are_accepted(here: Page) -> None:
    for name, value in examples(here):
        if name not in config.SECRET_FILES:
            config.load({**NEEDED, name: value}, env_file=None)


def test_example_files_of_endpoints_are_accepted() -> None:
    (example,) = json_blocks(list)
    settings = config.load({"DISCORD_TOKEN": "a", "OPENAI_ENDPOINTS": example}, env_file=None)
    catalog = Catalog.merge({each.name: models_of(each) for each in settings.openai_endpoints}, credit_usd=0.01, model_prices={})
    assert [model.id for model in catalog.models if model.price_microcredits is None] == []


def test_every_field_of_an_endpoint_is_explained() -> None:
    cells = [cells[0] for cells in rows(page("docs/image-apis.md").section("## Any API that speaks OpenAI's"))]
    fields = {*Endpoint.model_fields, "key_file", *EndpointModel.model_fields}
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == fields


def test_models_in_examples_exist() -> None:
    listed = {model["id"] for block in json_blocks(list) for endpoint in json.loads(block) for model in endpoint["models"]}
    ours = [value for here in PAGES for name, value in examples(here) if name in {"DEFAULT_MODEL", "FALLBACK_MODELS", "MODEL_PRICES"}]
    named = {part for value in ours for pair in value.split(",") for part in pair.split("=") if not part.isdecimal()}
    assert (listed | named) - MODELS == set()


# --- a server's settings file -----------------------------------------------------------------------------------------


def test_example_files_of_a_server_can_be_imported() -> None:
    for block in json_blocks(dict):
        policy = read_file(block.encode())
        assert set(json.loads(block)) == {name for name in Policy.model_fields if getattr(policy, name) != getattr(Policy(), name)}


# --- figures ----------------------------------------------------------------------------------------------------------


def test_the_readme_s_costs_are_the_defaults() -> None:
    settings, text = config.load(NEEDED, env_file=None), page("README.md").section("## What it costs")
    cost = next(model["pricing"]["cost_per_image"] for model in OXEN if model["id"] == OxenSettings.first_model)
    a_day = int(settings.quota_refill_per_day * settings.credit_usd / cost)
    limits = (settings.monthly_limit_usd, settings.monthly_limit_usd_per_server, settings.credit_usd, cost)
    assert [f"${each:g}" for each in limits if f"${each:g}" not in text] == []
    assert f"{a_day} images a day" in text
    assert f"about {settings.monthly_limit_usd / cost:,.0f}"[:-2] in text
    assert f"| {settings.quota_credits:g} each |" in text


def test_the_changelog_names_this_version() -> None:
    assert __version__ in page("CHANGELOG.md").text


@pytest.mark.parametrize("path", ["PRIVACY.md", "TERMS.md"])
def test_templates_list_their_placeholders(path: str) -> None:
    note, _, policy = page(path).text.partition("\n\n[BOT NAME]")
    listed = re.findall(r"^> \| (\[[A-Z ]+\]) ", note, re.MULTILINE)
    assert sorted(listed) == sorted({"[BOT NAME]", *re.findall(r"\[[A-Z ]+\]", policy)})


def test_the_privacy_policy_has_every_subject_of_the_command() -> None:
    assert len(list(rows(page("PRIVACY.md").section("## What is stored")))) == len(SUBJECTS)


def test_the_handbook_says_of_every_table_how_long_it_is_kept() -> None:
    cells = list(rows(page("docs/operators.md").section("## What is kept how long")))
    assert {name for row in cells for name in re.findall(r"`(\w+)`", row[0])} == set(metadata.tables)
    assert {name for row in cells for name in re.findall(r"`(\w+)`", row[3])} == {name for name in NAMES if name.endswith("_KEEP_DAYS")}
