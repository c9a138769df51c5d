"""CODE_STANDARDS in checkable form: one small edit fails exactly the rule that it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from executor.checks.sources import read_sources
from executor.checks.standards import check_code, check_ruff
from executor.checks.verifier import find_ruff
from executor.domain.findings import Finding, Result
from executor.errors import Permanent

Failed = Callable[[Iterable[Finding]], dict[str, str]]
LONG = "\n\ndef long() -> int:\n" + "    _ = 1\n" * 49 + "    return 1\n"
FITTING = "\n\ndef fitting() -> int:\n" + "    _ = 1\n" * 48 + "    return 1\n"
APPENDED = [
    ("C8", LONG),
    ("C9", "\n\ndef loud() -> None:\n    print('hello')\n"),
    ("C9", "\n\ndef careless() -> None:\n    try:\n        int('x')\n    except:\n        return\n"),
    ("C9", "\n\ndef telling(token: str) -> None:\n    LOG.info('got', extra={'value': token})\n"),
    ("C10", "\nbooks = []\n"),
    ("C10", "\nbooks: dict[str, int] = {}\n"),
    ("C12", "\n# TODO: the rest\n"),
    ("C12", '\nNOTE = "FIXME"\n'),
    ("C13", "\nimport requests\n"),
    ("C13", "\nfrom requests.sessions import Session\n"),
    ("S4", "\n\ndef one(n: str) -> str:\n    return f\"SELECT * FROM books WHERE title = '{n}'\"\n"),
    ("S4", "\n\ndef one(n: str) -> str:\n    return 'select * from books where id = {}'.format(n)\n"),
]
UNCLEAN = {
    "F401": "import zlib\n",
    "ANN201": '\n\ndef public():\n    """Say nothing."""\n',
    "D103": "\n\ndef public() -> None:\n    pass\n",
    "N802": '\n\ndef Public() -> None:\n    """Say nothing."""\n',
    "S307": '\n\ndef public(text: str) -> object:\n    """Run text."""\n    return eval(text)\n',
    "S602": (
        "\n\ndef public(text: str) -> None:\n"
        '    """Run text."""\n    import subprocess\n\n    subprocess.run(text, shell=True, check=True)\n'
    ),
    "B006": '\n\ndef public(names: list[str] = []) -> None:\n    """Say nothing."""\n',
    "E501": f"\nNAME = '{'x' * 100}'\n",
    "BLE001": (
        '\n\ndef public() -> int:\n    """Try."""\n    try:\n        return int()\n'
        "    except Exception:\n        return 1\n"
    ),
    "DTZ003": (
        '\n\ndef public() -> object:\n    """Tell the time."""\n    from datetime import datetime\n\n'
        "    return datetime.utcnow()\n"
    ),
    "E722": '\n\ndef public() -> None:\n    """Try."""\n    try:\n        int()\n    except:\n        pass\n',
}


def append(root: Path, text: str, name: str = "app/clock.py") -> None:
    with (root / name).open("a") as file:
        file.write(text)


async def ruff(root: Path) -> Finding:
    return await check_ruff(root, find_ruff())


async def test_the_unedited_template_passes_every_rule(template: Path, failed: Failed):
    findings = check_code(read_sources(template))
    assert failed([*findings, await ruff(template)]) == {}
    assert [f.rule for f in findings] == ["C0", "C8", "C9", "C10", "C12", "C13", "S4", "S8"]


@pytest.mark.parametrize(("rule", "text"), APPENDED)
def test_an_edit_fails_the_rule_that_it_breaks(rule: str, text: str, droplet: Path, failed: Failed):
    append(droplet, text)
    assert list(failed(check_code(read_sources(droplet)))) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        FITTING,
        "\nBOOKS = {'a': 1}\n__all__ = ['utc_text']\n",
        "\n\ndef shown() -> str:\n    return f'Select one of {len(utc_text())} books'.format()\n".replace(
            "Select", "Pick"
        ),
        '\n\ndef fixed() -> str:\n    return "SELECT title FROM books WHERE id = ?"\n',
    ],
)
def test_what_the_rules_allow_passes(text: str, droplet: Path, failed: Failed):
    append(droplet, text)
    assert failed(check_code(read_sources(droplet))) == {}


def test_a_file_that_does_not_parse_is_named(droplet: Path, failed: Failed):
    append(droplet, "\ndef broken(:\n", "tests/fakes.py")
    assert failed(check_code(read_sources(droplet))) == {"C0": "tests/fakes.py"}


def test_tests_may_print_and_keep_state(droplet: Path, failed: Failed):
    append(droplet, "\nseen = []\nprint(seen)\n", "tests/fakes.py")
    assert failed(check_code(read_sources(droplet))) == {}


@pytest.mark.parametrize("code", UNCLEAN)
async def test_ruff_names_what_it_found_and_where(code: str, droplet: Path):
    append(droplet, UNCLEAN[code])
    finding = await ruff(droplet)
    assert finding.result is Result.FAIL
    assert f" {code} " in finding.evidence
    assert "clock.py:" in finding.evidence


async def test_neither_settings_nor_comments_of_the_repository_quiet_ruff(droplet: Path):
    (droplet / "ruff.toml").write_text('exclude = ["app"]\n[lint]\nselect = []\n')
    (droplet / "pyproject.toml").write_text('[tool.ruff]\nexclude = ["app"]\n')
    append(droplet, "# ruff: noqa\nimport zlib  # noqa: F401, E402\n")
    assert "F401" in (await ruff(droplet)).evidence


async def test_a_ruff_that_does_not_answer_is_this_machines_fault(template: Path):
    with pytest.raises(Permanent):
        await check_ruff(template, "/bin/pwd")


async def test_two_checks_at_once_do_not_disturb_each_other(template: Path):
    findings = await asyncio.gather(ruff(template), ruff(template))
    assert {finding.result for finding in findings} == {Result.PASS}
