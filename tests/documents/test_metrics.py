"""The metrics page, the dashboard and the alert rules name what the bot exports, and each other."""

from __future__ import annotations

import json
import re

import promql_parser
import pytest
from prometheus_client import REGISTRY

from bot.core import metrics
from tests.documents.pages import page, rows
from tests.imports import PROJECT

EASELS = {name: each for name, each in vars(metrics).items() if hasattr(each, "_labelnames")}
FAMILIES = {family.name: family for family in REGISTRY.collect() if family.name.startswith("easel_")}
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
SAMPLES = {f"{family.name}{ending}": family.name for family in FAMILIES.values() for ending in ENDINGS[family.type]}
LABELS = {each._name: {*each._labelnames} for each in EASELS.values()}
OF_BUILD = {"version", "python", "database"}
ALERTS = re.findall(r"- alert: (\w+)\n((?: {8}.*\n)+)", (PROJECT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
PANELS = json.loads((PROJECT / "deploy/grafana/easel.json").read_text("utf-8"))["panels"]
TARGETS = [target for panel in PANELS for target in panel.get("targets", ())]
EXPRESSIONS = [re.findall(r"expr: (?:>-\n)?((?:.|\n {10})+)", rule)[0] for _, rule in ALERTS] + [
    target["expr"] for panel in PANELS for target in panel.get("targets", ())
]


def test_every_metric_is_explained_and_no_other() -> None:
    explained = {
        name for span in re.findall(r"`[^`]+`", page("docs/metrics.md").section("## Metrics")) for name in re.findall(r"easel_\w+", span)
    }
    named = {name if FAMILIES[name].type == "histogram" else f"{name}{ENDINGS[FAMILIES[name].type][0]}" for name in FAMILIES}
    assert explained == named


def test_expressions_name_metrics_that_exist() -> None:
    named = {name for each in EXPRESSIONS for name in re.findall(r"easel_\w+", each)}
    assert named - SAMPLES.keys() == set()
    assert FAMILIES.keys() - {SAMPLES[name] for name in named} == set()  # and leave none out


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_are_understood_by_prometheus(expression: str) -> None:
    promql_parser.parse(expression)  # one that is not keeps Prometheus from reading all rules


def test_expressions_name_labels_that_exist() -> None:
    wrong = []
    for expression in EXPRESSIONS:
        families = {SAMPLES[name] for name in re.findall(r"easel_\w+", expression)}
        known = {label for family in families for label in LABELS[family]} | {"le", "job"}
        grouped = {label for found in re.findall(r"(?:by|without|ignoring)\s*\(([^)]*)\)", expression) for label in found.split(", ")}
        matched = {label for found in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)[=!]", found)}
        wrong += [(expression, label) for label in grouped | matched if label not in known]
    assert wrong == []


def test_legends_name_labels_that_exist() -> None:
    for target in TARGETS:
        known = {label for name in re.findall(r"easel_\w+", target["expr"]) for label in LABELS[SAMPLES[name]]} | OF_BUILD
        assert {*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])} <= known


def test_every_alert_says_what_to_do_and_no_other_is_explained() -> None:
    assert all(re.findall(r"^ {10}(\w+): \S", rule, re.MULTILINE) == ["summary", "do"] for _, rule in ALERTS)
    explained = [row[0] for row in rows(page("docs/operators.md").section("## Alerts"))]
    assert explained == [name for name, _ in ALERTS]
