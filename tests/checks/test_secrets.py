"""What looks like a secret fails S1 by its place, and never appears in the evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.checks.secrets import check_secrets
from executor.checks.sources import read_sources
from executor.domain.findings import Result

# Put together here, so that this file itself holds nothing that looks like one.
RUN = "Q7xV2mK9" * 5
SECRETS = {
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + RUN,
    "a plain private key": "-----BEGIN " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + RUN,
    "an API key": "sk-" + "ant-" + RUN,
    "a GitHub token": "gh" + "p_" + RUN,
    "a fine GitHub token": "github_" + "pat_" + RUN,
    "a Slack token": "xox" + "b-1234567890-" + RUN,
    "an AWS key": "AK" + "IA" + "ABCDEFGHIJKLMNOP",
}
ASSIGNED = [
    'password = "hunter22hunter"',
    "API_KEY: str = 'a1b2c3d4e5'",
    "token: str | None = 'a1b2c3d4e5'",
    'DB_PASSWORD = "hunter22hunter"',
    '{"secret": "a1b2c3d4e5"}',
]


def test_the_template_holds_no_secret(template: Path):
    assert check_secrets(read_sources(template)).result is Result.PASS


@pytest.mark.parametrize("what", SECRETS)
@pytest.mark.parametrize("name", ["README.md", "app/clock.py", "tests/fakes.py", ".env.example"])
def test_a_secret_is_found_in_any_file_and_not_repeated(what: str, name: str, droplet: Path):
    with (droplet / name).open("a") as file:
        file.write(f"\n# {SECRETS[what]}\n")
    finding = check_secrets(read_sources(droplet))
    assert finding.result is Result.FAIL
    assert finding.evidence.startswith(f"{name}:")
    assert RUN[:12] not in finding.evidence and "ABCDEFGH" not in finding.evidence


@pytest.mark.parametrize("text", ASSIGNED)
def test_a_secret_assigned_in_the_application_is_found(text: str, droplet: Path):
    (droplet / "app/keys.py").write_text(f"{text}\n")
    assert check_secrets(read_sources(droplet)).evidence == "app/keys.py:1 assigns a secret"


@pytest.mark.parametrize(
    "text", ['password = os.environ["LIBRARY_PASSWORD"]', 'token = ""', 'secret = "{secret_of_it}"']
)
def test_a_secret_read_from_elsewhere_is_none(text: str, droplet: Path):
    (droplet / "app/keys.py").write_text(f"{text}\n")
    assert check_secrets(read_sources(droplet)).result is Result.PASS


def test_tests_may_hold_made_up_passwords(droplet: Path):
    (droplet / "tests/keys.py").write_text('password = "hunter22hunter"\n')
    assert check_secrets(read_sources(droplet)).result is Result.PASS
