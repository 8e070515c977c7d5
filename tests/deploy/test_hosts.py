"""The files for Fly and Railway: they ask paths that the bot answers, with settings that exist, for one bot with one database."""

from __future__ import annotations

import json
import re
import tomllib

from bot.core.config import NAMES, load
from bot.services.operating import page as metrics_page
from tests.deploy.test_compose import environment_lines, seconds
from tests.documents.pages import page
from tests.imports import PROJECT

FLY = tomllib.loads((PROJECT / "deploy/fly/fly.toml").read_text("utf-8"))
RAILWAY = json.loads((PROJECT / "deploy/railway/railway.json").read_text("utf-8"))
SETTINGS = load({"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b"}, env_file=None)
DOCKERFILE = (PROJECT / "Dockerfile").read_text("utf-8")


def test_fly_runs_one_machine_with_a_volume_for_the_database() -> None:
    assert FLY["env"].keys() <= NAMES
    assert FLY["mounts"]["destination"] == FLY["env"]["DATA_DIR"]
    assert FLY.keys() & {"services", "http_service"} == set()  # nothing is published
    check = FLY["checks"]["alive"]
    assert check["path"] in metrics_page._PATHS
    assert {str(each["port"]) for each in (check, FLY["metrics"])} == {FLY["env"]["METRICS_PORT"]}
    assert seconds(FLY["kill_timeout"]) > SETTINGS.stop_grace_s + 8
    commands = [command for command in page("docs/hosting.md").commands if command.startswith("fly ")]
    assert [command for command in commands if "--config deploy/fly/fly.toml" not in command] == []
    assert [command for command in commands if command.startswith("fly deploy") and "--ha=false" not in command] == []
    assert any(f"volumes create {FLY['mounts']['source']} " in command for command in commands)


def test_railway_runs_one_replica_that_has_time_to_stop() -> None:
    deploy = RAILWAY["deploy"]
    assert (PROJECT / RAILWAY["build"]["dockerfilePath"]).exists()
    assert not re.search(r"^VOLUME", DOCKERFILE, re.MULTILINE)  # Railway refuses it
    assert (deploy["numReplicas"], deploy["overlapSeconds"]) == (1, 0)  # two would answer everything twice
    assert deploy["healthcheckPath"] in metrics_page._PATHS
    assert deploy["drainingSeconds"] > SETTINGS.stop_grace_s + 8
    given = environment_lines("## Railway")
    assert given["PORT"] == given["METRICS_PORT"]
    assert given.keys() - NAMES == {"PORT", "RAILWAY_RUN_UID"}
