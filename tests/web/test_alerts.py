"""config/alerts.yml: rules that Prometheus reads, over metrics and labels that are really exported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.store.turns import Turns
from tests.web.conftest import Serving
from tests.web.metrics_seen import Seen

ALERTS = Path(__file__).parents[2] / "config" / "alerts.yml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
_METRIC = re.compile(r"\b(fpai_\w+)(?:\{([^}]*)\})?")


async def _exported(serve: Serving) -> Seen:
    """A scrape in which every family has a sample."""
    around = {"channels": {"slack": ""}, "dependencies": _near}
    async with serve(api=around) as site:
        build = await site.finished(auto_approve=True)
        turns: Turns = site.world.store.turns
        opened = await turns.begin(build.id, "apprentice", "m", 1.0)
        await turns.failed(build.id, opened.number, "down", 2.0)
        await site.get("/livez")
        return Seen.of((await site.get("/metrics"))[1])


def _near() -> tuple[Any, ...]:
    from executor.web.api import Dependency

    return (Dependency("sandbox", "local", "available"),)


async def test_every_metric_and_label_of_an_alert_is_exported(serve: Serving) -> None:
    seen = await _exported(serve)
    named = [found for rule in RULES for found in _METRIC.findall(rule["expr"])]
    assert len(named) > 20
    for name, selector in named:
        samples = seen.samples(name)
        assert samples, f"{name} is not exported"
        labels = {label for key in samples for label, _ in key}
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', selector):
            assert label in labels, f"{name} has no label {label}"
            values = {v for key in samples for k, v in key if k == label}
            wanted = [one for one in value.split("|") if re.fullmatch(r"\w+", one)]
            assert set(wanted) <= values, f"{name} never has {label}={value}"


async def test_labels_that_an_alert_groups_by_or_speaks_of_are_those_of_its_metrics(serve: Serving) -> None:
    seen = await _exported(serve)
    for rule in RULES:
        names = [name for name, _ in _METRIC.findall(rule["expr"])]
        there = {label for name in names for key in seen.samples(name) for label, _ in key}
        grouped = {w.strip() for by in re.findall(r"by \(([^)]*)\)", rule["expr"]) for w in by.split(",")}
        spoken = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert grouped | spoken <= there, rule["alert"]
        if "by (" in rule["expr"]:
            assert spoken <= grouped, rule["alert"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_one_that_prometheus_takes(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "action"}
    for opening, closing in ("()", "[]", "{}"):
        assert rule["expr"].count(opening) == rule["expr"].count(closing)
    for text in rule["annotations"].values():
        assert text.count("{{") == text.count("}}")


def test_what_must_not_go_unnoticed_has_a_rule_and_none_comes_twice() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert {
        "ExecutorDown",
        "BuildWaitsForAPerson",
        "BuildStuckInRetry",
        "BackupTooOld",
        "DiskAlmostFull",
        "MessagesUndelivered",
        "EventLoopLags",
        "RequestsFail",
        "DollarsPerDay",
    } <= set(names)
