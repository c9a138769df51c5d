"""executor.toml, FPAI_* and credentials: read once, checked whole, explained when wrong."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from executor.settings import ConfigurationError, known_keys, load, webhook_key
from executor.settings_tables import DeployHost, Settings, parse_duration, parse_size

EXAMPLE = Path(__file__).parents[1] / "executor.toml"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "executor.toml"
    path.write_text(text)
    return path


def test_the_example_documents_every_key_with_its_default():
    uncommented = re.sub(r"^# (?=\w+ = |\[)", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    documented = tomllib.loads(uncommented)
    keys = {f"{table}.{key}" for table, entries in documented.items() for key in entries}
    assert keys == {key for key in known_keys() if "." in key} - {"deploy.hosts"}
    assert Settings.model_validate(documented) == Settings()


def test_the_example_host_is_one_that_may_be_uncommented_as_it_stands():
    example = EXAMPLE.read_text()
    table = example[example.index("#     [deploy.hosts.alpha]") :].partition("\n\n")[0]
    host = Settings.model_validate(tomllib.loads(table.replace("#     ", ""))).deploy.hosts["alpha"]
    assert host.model_dump().keys() == set(re.findall(r"(?m)^#     (\w+) = ", table))
    assert host.model_dump(exclude={"address"}) == DeployHost(address="x").model_dump(exclude={"address"})


def test_the_example_channels_are_ones_that_may_be_uncommented_as_they_stand():
    example = EXAMPLE.read_text()
    tables = example[example.index("#     [notify.slack]") : example.index("[voice]")]
    written = "\n".join(line[6:] for line in tables.splitlines() if line.startswith("#     "))
    notify = Settings.model_validate(tomllib.loads(written)).notify
    assert {name: channel.kind for name, channel in notify.items()} == {
        "slack": "slack",
        "email": "email",
        "ops": "webhook",
    }
    for name, channel in notify.items():
        own = written[written.index(f"[notify.{name}]") :].partition("\n[")[0]
        assert channel.model_dump().keys() == set(re.findall(r"(?m)^(\w+) = ", own))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[notify.slack]\nkind = "email"\nhost = "h"\nsender = "a@b"\nto = ["c@d"]\n', "of kind slack"),
        ('[notify."A b"]\nkind = "webhook"\nurl = "http://x"\n', "lower-case letters"),
        ('[notify.ops]\nkind = "webhook"\nurl = "ftp://x"\n', "notify.ops"),
        ('[notify.ops]\nkind = "pigeon"\n', "notify.ops"),
        ('[notify.ops]\nkind = "webhook"\nurl = "http://x"\nsecret = "s"\n', "notify.ops.webhook.secret"),
    ],
)
def test_channels_that_cannot_be_used_are_refused(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as refused:
        load(write(tmp_path, text), {})
    assert said in str(refused.value)


def test_what_webhooks_are_signed_with_is_the_base64_after_its_mark_or_the_text_itself():
    assert (webhook_key("whsec_aGVsbG8="), webhook_key("plain")) == (b"hello", b"plain")


MAIL = '[notify.email]\nkind = "email"\nhost = "h"\nsender = {sender}\nto = [{to}]\n'


@pytest.mark.parametrize(
    "sender", ['"a@b"', '"FPAI <a@b.example>"', "'\"FPAI, all of it\" <a@b>'", '"<a@b>"', '"Jörg <a@b>"']
)
def test_a_sender_may_have_a_name(tmp_path, sender):
    (one,) = load(write(tmp_path, MAIL.format(sender=sender, to='"c@d"')), {}).channels.values()
    assert one.sender == sender[1:-1]


@pytest.mark.parametrize("wrong", ["executor", "a@b, c@d", "a b@c", "a@b>", "a@b\\r\\nBcc: x@y", "", "a@b@c"])
def test_what_is_no_mail_address_is_refused_at_the_start(tmp_path, wrong):
    for text in (
        MAIL.format(sender='"a@b"', to=f'"c@d", "{wrong}"'),
        MAIL.format(sender=f'"{wrong}"', to='"c@d"'),
    ):
        with pytest.raises(ConfigurationError, match=r"notify\.email"):
            load(write(tmp_path, text), {})
    with pytest.raises(ConfigurationError, match="not one mail address"):
        load(write(tmp_path, MAIL.format(sender='"a@b"', to='"Name <c@d>"')), {})


def test_a_channel_says_what_it_lacks(tmp_path):
    text = (
        '[notify.ops]\nkind = "webhook"\nurl = "http://x"\n[notify.slack]\nkind = "slack"\nchannel = "C1"\n'
    )
    path = write(tmp_path, text)
    bare = load(path, {})
    assert bare.missing_for("ops") == "the secret WEBHOOK_SECRET_OPS"
    assert "SLACK_BOT_TOKEN" in bare.missing_for("slack")
    assert bare.missing_for("email") == "[notify.email]"
    for unsound in ("whsec_", "whsec_not base64!", "whsec_é"):
        assert "base64" in load(path, {"WEBHOOK_SECRET_OPS": unsound}).missing_for("ops")
    told = load(path, {"WEBHOOK_SECRET_OPS": "whsec_aGVsbG8=", "SLACK_BOT_TOKEN": "xoxb-1"})
    assert (told.missing_for("ops"), told.missing_for("slack")) == ("", "")
    assert load(None, {"SLACK_WEBHOOK_URL": "https://hooks.example/x"}).missing_for("slack") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[deploy]\ntarget = "docker"\nhost = "alpha"\n', "there is no [deploy.hosts.alpha]"),
        ('[deploy.hosts."a b"]\naddress = "x"\n', "lower-case letters"),
        ('[deploy.hosts.local]\naddress = "x"\n', "lower-case letters"),
        ('[deploy]\nnodes = ["b"]\n', "there is no [deploy.hosts.b]"),
        ('[deploy]\ntarget = "swarm"\n', "deploy.hosts"),
    ],
)
def test_hosts_that_do_not_fit_together_are_refused(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as refused:
        load(write(tmp_path, text), {})
    assert said in str(refused.value)


def test_the_environment_overrides_the_file(tmp_path):
    path = write(tmp_path, "[server]\nport = 9000\n[deploy]\nport_range = [20000, 20010]\n")
    env = {
        "FPAI_SERVER__PORT": "9001",
        "FPAI_DEPLOY__PORT_RANGE": "21000,21010",
        "FPAI_BUILDS__DEADLINE": "15m",
    }
    settings = load(path, env).settings
    assert settings.server.port == 9001
    assert settings.deploy.port_range == (21000, 21010)
    assert settings.builds.deadline == 900


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1\n", "server.port"),
        ("[sever]\nport = 1\n", "server"),
        ("[server]\nport = 70000\n", "server.port"),
        ("[builds]\napproval_mode = 'sometimes'\n", "builds.approval_mode"),
        ("[builds]\ndeadline = 'soon'\n", "duration"),
        ("[sandbox]\nkind = 'chroot'\n", "sandbox.kind"),
        ("[deploy]\nport_range = [9, 3]\n", "lowest"),
        ("[server]\nhost = '0.0.0.0'\n", "token"),
        ("[server\n", "cannot be read"),
    ],
)
def test_a_configuration_that_cannot_be_used_says_what_was_meant(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as refused:
        load(write(tmp_path, text), {})
    assert said in str(refused.value)


def test_an_unknown_environment_key_is_refused_too(tmp_path):
    with pytest.raises(ConfigurationError, match=r"server\.port"):
        load(write(tmp_path, ""), {"FPAI_SERVER__PROT": "1"})


def test_a_named_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="no configuration file"):
        load(tmp_path / "nowhere.toml", {})


def test_a_credential_file_beats_the_environment_and_is_not_shown(tmp_path):
    (tmp_path / "REGISTRY_TOKEN").write_text("from-credentials\n")
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path), "REGISTRY_TOKEN": "from-environment"}
    secrets = load(write(tmp_path, ""), env).secrets
    assert secrets.get("REGISTRY_TOKEN") == "from-credentials"
    assert "from-credentials" not in repr(secrets)


def test_a_credential_that_cannot_be_read_is_a_configuration_error_that_names_it(tmp_path):
    (tmp_path / "REGISTRY_TOKEN").mkdir()
    with pytest.raises(ConfigurationError, match="REGISTRY_TOKEN cannot be read"):
        load(write(tmp_path, ""), {"CREDENTIALS_DIRECTORY": str(tmp_path), "REGISTRY_TOKEN": "x"})


@pytest.mark.parametrize(
    ("table", "env", "expected"),
    [
        ("", {}, ".executor"),
        ("", {"STATE_DIRECTORY": "/var/lib/fpai"}, "/var/lib/fpai"),
        ("[state]\ndir = 'elsewhere'\n", {"STATE_DIRECTORY": "/var/lib/fpai"}, "elsewhere"),
    ],
)
def test_the_state_directory_lies_beside_the_file_or_where_systemd_says(tmp_path, table, env, expected):
    assert load(write(tmp_path, table), env).state_dir == (tmp_path / expected)


def test_durations_and_sizes_have_units():
    assert [parse_duration(d) for d in (90, "90", "90s", "15m", "2h", "1d")] == [90, 90, 90, 900, 7200, 86400]
    assert [parse_size(s) for s in (5, "512M", "1G", "64K")] == [5, 512 << 20, 1 << 30, 64 << 10]
