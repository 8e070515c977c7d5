"""Settings: valid and invalid values; an error names the setting and never contains a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.core import config
from bot.core.config import NAMES, SECRETS, Settings
from bot.core.errors import StartError
from bot.core.settings.endpoints import OBJECT_STORES, EditEncoding, Endpoint, OxenMode
from bot.core.settings.field_types import UncertainCalls

ENOUGH = {"DISCORD_TOKEN": "the-token-itself", "OXEN_API_KEY": "the-key-itself"}


def load(**environ: str) -> Settings:
    return config.load({**ENOUGH, **environ}, env_file=None)


def error_of(environ: dict[str, str]) -> str | None:
    """The sentence of the `StartError`, or None."""
    try:
        config.load(environ, env_file=None)
    except StartError as error:
        return error.sentence
    return None


def refusal(environ: dict[str, str], env_file: Path | None = None) -> str:
    with pytest.raises(StartError) as caught:
        config.load(environ, env_file=env_file)
    return caught.value.sentence


def test_two_settings_are_enough() -> None:
    settings = load()
    assert settings.discord_token.get_secret_value() == "the-token-itself"
    assert settings.database == "sqlite:///data/easel.sqlite3"


def test_every_missing_setting_is_named_at_once() -> None:
    sentence = refusal({})
    assert "DISCORD_TOKEN (or DISCORD_TOKEN_FILE) is missing" in sentence
    assert "OXEN_API_KEY, OXLO_API_KEY or OPENAI_ENDPOINTS is missing: Easel needs the key of at least one image API." in sentence


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("DISCORD_API_URL", "discord.com/api", "https://"),
        ("DISCORD_GATEWAY_URL", "https://gateway.discord.gg", "wss://"),
        ("DISCORD_CDN_HOSTS", "https://cdn.discordapp.com/", "name:port"),
        ("DISCORD_TOKEN", "two\nlines", "DISCORD_TOKEN must be one line of plain characters."),
        ("OXEN_API_KEY", "schlüssel", "OXEN_API_KEY must be one line of plain characters."),
        ("OXEN_BASE_URL", "hub.oxen.ai", "https://"),
        ("OXEN_NAMESPACE", "n" * 201, "text of at most 200 characters"),
        ("OXEN_MODE", "streaming", "events, poll or sync; it is 'streaming'"),
        ("RESULT_HOSTS", "a b", "name:port"),
        ("DATABASE_URL", "mysql://easel:hunter2@db/easel", "postgresql://"),
        ("MODEL_PRICES", "a-model", "number"),
        ("MODEL_PRICES", "a-model=-1", "each a number from 0 to 1000000"),
        ("QUOTA_CREDITS", "plenty", "a number above 0, at most 1000000; it is 'plenty'"),
        ("QUOTA_CREDITS", "nan", "1000000"),
        ("QUOTA_REFILL_PER_DAY", "-1", "a number from 0 to 1000000; it is '-1'"),
        ("MAX_RUNNING", "0", "a whole number from 1 to 1000"),
        ("MAX_RUNNING_PER_USER", "1.5", "a whole number from 1 to 100"),
        ("REFERENCE_MODE", "both", "auto, link or inline"),
        ("LOG_LEVEL", "loud", "DEBUG, INFO, WARNING or ERROR"),
        ("LOG_FORMAT", "xml", "console or json"),
        ("STOP_GRACE_S", "601", "600"),
        ("OXLO_BASE_URL", "api.oxlo.ai", "https://"),
        ("OXLO_PRICE_CREDITS", "-1", "from 0"),
        ("OXEN_RATE_PER_MINUTE", "0", "above 0"),
        ("UNCERTAIN_CALLS", "hope", "release or retry"),
        ("FALLBACK_MODELS", "a", "model=other model"),
        ("FALLBACK_MODELS", "a=", "model=other model"),
        ("FALLBACK_MODELS", "a=b, c=c", "name another model as the fallback of c"),
        ("OPENAI_ENDPOINTS", "{", "must be a JSON list of objects (line 1, column 2)"),
        ("OPENAI_ENDPOINTS", "[" * 100_000, "JSON list"),
        ("OPENAI_ENDPOINTS", '{"name": "a"}', "JSON list"),
        ("OPENAI_ENDPOINTS", "[1]", "JSON list"),
        ("OPENAI_ENDPOINTS", '[{"name": "a", "models": [{"id": "m"}]}]', ", entry 1, base_url is missing."),
        (
            "OPENAI_ENDPOINTS",
            '[{"name": "A b", "base_url": "http://x", "models": [{"id": "m"}]}]',
            ", entry 1, name must be small letters",
        ),
        ("OPENAI_ENDPOINTS", '[{"name": "oxen", "base_url": "http://x", "models": [{"id": "m"}]}]', "oxen is already taken"),
        ("OPENAI_ENDPOINTS", '[{"name": "a", "base_url": "http://x"}]', "must list the models of a, each id once"),
        ("OPENAI_ENDPOINTS", '[{"name": "a", "base_url": "http://x", "models": [{"id": "m"}, {"id": "m"}]}]', "each id once"),
        (
            "OPENAI_ENDPOINTS",
            '[{"name": "a", "base_url": "http://x", "models": [{"id": "m", "sizes": ["1:1"]}]}]',
            ", entry 1, models 1, sizes must be a list of sizes such as 1024x1024",
        ),
        (
            "OPENAI_ENDPOINTS",
            '[{"name": "a", "base_url": "http://x", "key_file": "/nowhere/key"}]',
            "key_file that can't be read (No such",
        ),
        ("OPENAI_ENDPOINTS", '[{"name": "a", "base_url": "http://x", "key_file": "/x", "key": "y"}]', "key or key_file"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_setting(name: str, value: str, needed: str) -> None:
    sentence = refusal({**ENOUGH, name: value})
    assert (sentence.startswith(name), sentence.endswith("."), sentence.count("\n")) == (True, True, 0)
    assert needed in sentence


PYDANTIC = ("Input should", "unable to parse", "String should", "Extra inputs", "Field required", "Value error", "valid")


@given(name=st.sampled_from(sorted(NAMES)), value=st.text(max_size=40))
def test_no_sentence_is_pydantic_s(name: str, value: str) -> None:
    assert [words for words in PYDANTIC if words in (error_of({**ENOUGH, name: value}) or "").replace(repr(value), "")] == []


def test_every_part_of_an_endpoint_is_described_in_our_words() -> None:
    model = {
        "id": 1,
        "edits": 3,
        "max_references": 99,
        "strength": "x",
        "options": 5,
        "prices": [{"when": {}}],
        "sizes": [1],
        "colour": "red",
    }
    entry = {"name": "a", "base_url": "http://x", "edit_encoding": "x", "timeout_s": 0, "models": [{"id": "m"}, model, "m"]}
    assert refusal({**ENOUGH, "OPENAI_ENDPOINTS": json.dumps([entry, {**entry, "models": 7}])}).splitlines() == [
        f"OPENAI_ENDPOINTS, {each}."
        for each in (
            "entry 1, edit_encoding must be json_base64, json_data_uri, multipart or multipart_list",
            "entry 1, models 2, id must be text of at most 100 characters",
            "entry 1, models 2, sizes must be a list of sizes such as 1024x1024 in pixels, or auto",
            "entry 1, models 2, edits must be true or false",
            "entry 1, models 2, max_references must be a whole number from 1 to 16",
            "entry 1, models 2, strength must be true or false",
            "entry 1, models 2, options must be an object with a JSON Schema for each option",
            "entry 1, models 2, prices 1, when must not be empty",
            "entry 1, models 2, prices 1, credits is missing",
            "entry 1, models 2, colour is not known; check the spelling",
            "entry 1, models 3 must be an object",
            "entry 1, timeout_s must be a number above 0, at most 3600",
            "entry 2, edit_encoding must be json_base64, json_data_uri, multipart or multipart_list",
            "entry 2, models must be a list",
            "entry 2, timeout_s must be a number above 0, at most 3600",
        )
    ]


@pytest.mark.parametrize("name", ["two\nlines", "0123456789abcdef0123456789abcdef"])
def test_a_name_in_json_stays_on_its_line_and_is_not_repeated_if_it_may_be_a_key(name: str) -> None:
    model = {"id": "m", name: 1, "prices": [{"when": {name: {}}, "credits": 1}]}
    sentence = refusal({**ENOUGH, "OPENAI_ENDPOINTS": json.dumps([{"name": "a", "base_url": "http://x", "models": [model]}])})
    lines = sentence.splitlines()
    assert [line.startswith("OPENAI_ENDPOINTS, entry 1, models 1, ") for line in lines] == [True] * len(lines)
    assert "0123456789" not in sentence


def test_every_wrong_value_missing_setting_and_misspelt_name_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("MAX_RUNING=3\nQUOTA_CREDITS=abc\nthis is no setting\nLOG_LEVEL=loud\nDISCORD_TOKEN=the-token-itself\n")
    assert refusal({"OXEN_MODE": "fast", "METRICS_PRT": "1"}, path).splitlines() == [
        f"MAX_RUNING in {path} is not a setting; did you mean MAX_RUNNING?",
        f"Line 3 of {path} must be NAME=value.",
        "QUOTA_CREDITS must be a number above 0, at most 1000000; it is 'abc'.",
        "OXEN_MODE must be events, poll or sync; it is 'fast'.",
        "LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR; it is 'loud'.",
        "OXEN_API_KEY, OXLO_API_KEY or OPENAI_ENDPOINTS is missing: Easel needs the key of at least one image API.",
        "METRICS_PRT in the environment is not a setting; did you mean METRICS_PORT?",
    ]


@pytest.mark.parametrize("written", ["DISCORD_TOKN=x", "DISCORD_TOKEN_FILE=/nowhere", "DISCORD_TOKEN_FIL=x"])
def test_a_mistake_is_not_told_again_as_a_missing_setting(written: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{written}\nOXEN_API_KEY=x\n")
    assert refusal({}, path).count("\n") == 0


def test_a_refusal_never_repeats_a_secret() -> None:
    sentence = refusal({**ENOUGH, "DATABASE_URL": "mysql://easel:hunter2@db/easel", "MAX_RUNNING": "0"})
    assert not [secret for secret in ("hunter2", "the-token-itself", "the-key-itself") if secret in sentence]


@pytest.mark.parametrize(
    "value", ["the-token-itself", "x the-key-itself", "sk-0123456789abcdefghij", "Zm9vYmFyYmF6cXV4.MTIz.Zm9vYmFyYmF6cXV4"]
)
def test_a_secret_under_a_wrong_name_is_not_repeated(value: str) -> None:
    assert not [part for part in value.split() if len(part) > 1 and part in refusal({**ENOUGH, "LOG_LEVEL": value})]


@pytest.mark.parametrize("line", ["{}", "{}=", "{}: x", "={}", "DISCORD_TOKEN_FILE={}", "DISCORD_TOKEN {}", "export {}", "'{}'=1"])
@pytest.mark.parametrize("secret", ["MTIzNDU2Nzg5MDEyMzQ1.Gabcde.f_ghijklmnopqrstuvwxyz", "0123456789abcdef0123456789abcdef"])
def test_a_secret_on_a_wrong_line_is_not_repeated(line: str, secret: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(line.format(secret))
    assert secret not in refusal(ENOUGH, path)


def test_settings_do_not_show_their_secrets() -> None:
    settings = load(DATABASE_URL="postgresql://easel:hunter2@db/easel")
    shown = f"{settings!r} {settings} {settings.model_dump()}"
    assert not [secret for secret in ("hunter2", "the-token-itself", "the-key-itself") if secret in shown]


@given(name=st.sampled_from(sorted(NAMES - {f"{secret}_FILE" for secret in SECRETS})), value=st.text(max_size=40))
def test_any_value_is_accepted_or_refused_by_name(name: str, value: str) -> None:
    sentence = error_of({**ENOUGH, name: value})
    assert sentence is None or sentence.startswith(name)


@pytest.mark.parametrize("name", [name for name in SECRETS if name != "OPENAI_ENDPOINTS"])
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    value = {"OPERATOR_WEBHOOK_URL": "https://example.org/a/file", "HTTPS_PROXY": "http://me:pw@proxy:3128"}.get(name, "sqlite:///a/file")
    path.write_text(f"{value}\n")
    settings = config.load({**ENOUGH, name: "", f"{name}_FILE": str(path)}, env_file=None)
    held = getattr(settings, name.lower())
    assert (held if name == "HTTPS_PROXY" else held.get_secret_value()) == value


@pytest.mark.parametrize("name", SECRETS)
def test_an_empty_secret_file_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("\n")
    assert refusal({**ENOUGH, f"{name}_FILE": str(path)}) == f"{name}_FILE is {path}, which is empty."


def test_the_password_of_the_database_may_come_from_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("p@ss/w:rd\n")
    given = {"DATABASE_PASSWORD_FILE": str(path)}
    settings = load(**given, DATABASE_URL="postgresql://easel@db:5433/easel?ssl=require")
    assert settings.database == "postgresql://easel:p%40ss%2Fw%3Ard@db:5433/easel?ssl=require"
    assert {"p@ss/w:rd", "p%40ss%2Fw%3Ard"} <= set(settings.secrets)
    assert load(**given, DATABASE_DIRECT_URL="postgresql://easel@db/easel").database_direct == "postgresql://easel:p%40ss%2Fw%3Ard@db/easel"
    for with_its_own in ("postgresql://easel:other@db/easel", "postgresql://db/easel", "sqlite:///easel.sqlite3"):
        assert load(**given, DATABASE_URL=with_its_own).database == with_its_own


def test_a_webhook_that_is_no_address_is_refused_without_repeating_it() -> None:
    assert error_of({**ENOUGH, "OPERATOR_WEBHOOK_URL": "a-secret-word"}) == (
        "OPERATOR_WEBHOOK_URL must be the address of a webhook, which starts with https:// (or http://)."
    )


def test_a_missing_secret_file_is_named() -> None:
    sentence = refusal({**ENOUGH, "DISCORD_TOKEN_FILE": "/nowhere/token"})
    assert sentence == "DISCORD_TOKEN_FILE is /nowhere/token, which can't be read (No such file or directory)."


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("MAX_RUNNING=3\nOXEN_MODE=poll\n")
    settings = config.load({**ENOUGH, "MAX_RUNNING": "4"}, env_file=path)
    assert (settings.max_running, settings.oxen_mode) == (4, OxenMode.POLL)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("DISCORD_TOKN", "DISCORD_TOKEN"), ("max_runing", "MAX_RUNNING"), ("QUOTA_CREDIT", "QUOTA_CREDITS"), ("OXEN_URL", "OXEN_BASE_URL")],
)
def test_an_unknown_name_in_the_file_is_refused_with_the_nearest(written: str, meant: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{written}=secret-value\n")
    assert refusal(ENOUGH, path) == f"{written} in {path} is not a setting; did you mean {meant}?"


def test_an_unknown_name_without_a_near_one_points_to_the_example(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("XYZZY=1\n")
    assert refusal(ENOUGH, path) == f"XYZZY in {path} is not a setting; .env.example lists them all."


@pytest.mark.parametrize(
    ("written", "meant"), [("DISCORD_TOKN", "DISCORD_TOKEN"), ("quota_credits", "QUOTA_CREDITS"), ("MAX_RUNING", "MAX_RUNNING")]
)
def test_a_misspelt_name_in_the_environment_is_a_warning(written: str, meant: str) -> None:
    report = config.read({**{name: value for name, value in ENOUGH.items() if name != meant}, written: "secret-value"}, env_file=None)
    assert report.warnings == (f"{written} in the environment is not a setting; did you mean {meant}?",)


@pytest.mark.parametrize(
    "name", ["PATH", "DISCORD_BOT_TOKEN", "OPENAI_API_KEY", "LOG_FILE", "DATABASE", "METRICS", "TOKEN", "XDG_DATA_DIRS"]
)
def test_other_names_in_the_environment_are_ignored(name: str) -> None:
    assert config.read({**ENOUGH, name: "x"}, env_file=None).warnings == ()


def test_a_similar_name_in_the_environment_never_stops_a_start() -> None:
    assert load(DATA_DIRS="/usr/share", SERVER="x").data_dir == Path("data")
    assert config.read({**ENOUGH, "DATA_DIR": "data", "DATA_DIRS": "/usr/share"}, env_file=None).warnings == ()


def test_an_empty_value_means_the_default() -> None:
    assert load(MAX_RUNNING="", OXEN_MODE="  ").model_dump() == load().model_dump()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"OXEN_MODE=\xff\xfe")
    assert str(path) in refusal(ENOUGH, path)


def test_lists_and_prices_are_read_from_one_line() -> None:
    settings = load(RESULT_HOSTS="Files.Example.org, [::1]:8080 , *.example.net", MODEL_PRICES="one=1.5, two=0")
    assert settings.result_hosts == ("files.example.org", "[::1]:8080", "*.example.net")
    assert settings.model_prices == {"one": 1.5, "two": 0}


def test_settings_cannot_be_changed() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.max_running = 99  # type: ignore[misc]  # that is the point


# --- image APIs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "hosts"),
    [
        ("https://hub.oxen.ai", ("oxen.ai", "*.oxen.ai")),
        ("https://api.example.org/v1", ("example.org", "*.example.org")),
        ("https://images.example.co.uk/v1", ("images.example.co.uk", "*.images.example.co.uk")),
        ("https://api.org/v1", ("api.org", "*.api.org")),
        ("http://localhost:8080/v1", ()),
        ("http://127.0.0.1:8080/v1", ()),
        ("http://[::1]:8080/v1", ()),
    ],
)
def test_results_come_from_the_domain_of_their_image_api(base_url: str, hosts: tuple[str, ...]) -> None:
    assert Endpoint(name="local", base_url=base_url).result_hosts == (*hosts, *OBJECT_STORES)


LOCAL = {"name": "local", "base_url": "http://localhost:8080/v1/", "key": "the-local-key", "models": [{"id": "sd", "sizes": ["512X512"]}]}
TOKEN = {"DISCORD_TOKEN": "the-token-itself"}


def alone(**environ: str) -> Settings:
    return config.load({**TOKEN, **environ}, env_file=None)


def test_oxlo_needs_only_its_key() -> None:
    settings = alone(OXLO_API_KEY="the-oxlo-key", OXLO_PRICE_CREDITS="3")
    (oxlo,) = settings.providers
    assert isinstance(oxlo, Endpoint)
    assert (oxlo.name, oxlo.base_url, oxlo.edit_encoding) == ("oxlo", "https://api.oxlo.ai/v1", EditEncoding.JSON_BASE64)
    assert (oxlo.key.get_secret_value(), oxlo.price_credits, settings.default_model) == ("the-oxlo-key", 3, "stable-diffusion-1.5")


def test_any_one_image_api_is_enough_and_gives_the_default_model() -> None:
    assert [each.name for each in load().providers] == ["oxen"]
    assert load(OXLO_API_KEY="x").default_model == load().default_model == "black-forest-labs-flux-2-klein-4b"
    assert alone(OPENAI_ENDPOINTS=json.dumps([LOCAL])).default_model == "sd"
    assert alone(OPENAI_ENDPOINTS=json.dumps([LOCAL]), DEFAULT_MODEL="another").default_model == "another"


def test_the_image_apis_are_one_list_in_a_stable_order() -> None:
    settings = load(OXLO_API_KEY="x", OPENAI_ENDPOINTS=json.dumps([LOCAL, {**LOCAL, "name": "second"}]))
    listed = [(each.kind, each.name, each.title) for each in settings.providers]
    assert listed == [
        ("oxen", "oxen", "Oxen.ai"),
        ("openai", "oxlo", "Oxlo.ai"),
        ("openai", "local", "local"),
        ("openai", "second", "second"),
    ]
    (local, _) = settings.openai_endpoints
    assert (local.base_url, local.edit_encoding, local.models[0].sizes) == (
        "http://localhost:8080/v1",
        EditEncoding.MULTIPART,
        ("512x512",),
    )


def test_endpoints_and_their_keys_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the-filed-key\n")
    described = {name: value for name, value in LOCAL.items() if name != "key"} | {"key_file": str(tmp_path / "key")}
    (tmp_path / "endpoints").write_text(json.dumps([described]))
    (local,) = alone(OPENAI_ENDPOINTS_FILE=str(tmp_path / "endpoints")).providers
    assert local.key.get_secret_value() == "the-filed-key"
    (tmp_path / "key").write_text("")
    assert "OPENAI_ENDPOINTS has a key_file that is empty." in refusal({**ENOUGH, "OPENAI_ENDPOINTS": json.dumps([described])})


def test_an_endpoints_key_is_a_secret() -> None:
    settings = load(OPENAI_ENDPOINTS=json.dumps([LOCAL]))
    assert set(settings.secrets) == {"the-token-itself", "the-key-itself", "the-local-key"}
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.providers}"
    wrong = refusal(
        {**ENOUGH, "OPENAI_ENDPOINTS": json.dumps([{**LOCAL, "edit_encoding": "the-local-key", "max_running": "the-local-key"}])}
    )
    cut = refusal({**ENOUGH, "OPENAI_ENDPOINTS": json.dumps([LOCAL])[:-5]})
    assert not [secret for secret in settings.secrets if secret in shown + wrong + cut]


def test_lost_responses_are_released_by_default() -> None:
    assert load().uncertain_calls is UncertainCalls.RELEASE
    assert load(UNCERTAIN_CALLS="retry").uncertain_calls is UncertainCalls.RETRY


def test_two_models_may_be_each_other_s_fallback() -> None:
    assert load(FALLBACK_MODELS="a=b, b = a,c=d=e").fallback_models == {"a": "b", "b": "a", "c=d": "e"}


def test_the_proxy_is_also_read_under_the_names_of_other_programs() -> None:
    settings = load(https_proxy="http://user:hunter2@proxy.test:3128", no_proxy="x.test, 10.0.0.0/8")
    assert settings.proxies.proxy_for("https://api.openai.test/v1") == "http://user:hunter2@proxy.test:3128"
    assert settings.proxies.proxy_for("https://api.x.test/v1") is None
    assert "hunter2" in settings.secrets
    assert "hunter2" not in repr(settings)
    assert load(https_proxy="http://a.test:1", HTTPS_PROXY="http://b.test:1").https_proxy == "http://b.test:1"


@pytest.mark.parametrize("name", ["model", "prompt", "n", "image"])
def test_constants_of_an_endpoint_cannot_replace_what_easel_sets(name: str) -> None:
    endpoint = {"name": "local", "base_url": "http://localhost/v1", "models": [{"id": "sd"}], "params": {name: "x"}}
    assert f"can't include {name}, which Easel sets itself" in refusal({**ENOUGH, "OPENAI_ENDPOINTS": json.dumps([endpoint])})
