"""What docker says when it fails, as Docker 20.10 said it (recorded), and what the build makes of it."""

from __future__ import annotations

import pytest

from executor.adapters.docker_errors import docker_error
from executor.adapters.programs import Finished
from executor.errors import Conflict, NotFound, Permanent, Transient

DAEMON = "Error response from daemon: "
RUN = f"docker: {DAEMON}"
HELP = "\n\nRun 'docker run --help' for more information"
ID = "542ca12b1441f53201f85679d4a43192cf8c4058ddea7490b0543a061e41a04c"
NO_EXEC = f"{RUN}failed to create shim task: OCI runtime create failed: runc create failed: unable to start"
SOCKET = "unix:///var/run/docker.sock"
SAID = [
    (125, f'{RUN}Conflict. The container name "/h3-a" is already in use by container "{ID}".', Conflict),
    (1, f"{DAEMON}network with name h3n already exists", Conflict),
    (125, f"{RUN}No such image: nosuch:1{HELP}", NotFound),
    (1, f"{DAEMON}no such image: nosuch: No such image: nosuch:latest", NotFound),
    (125, f"{RUN}network nosuch not found{HELP}", NotFound),
    (1, f"{DAEMON}network nosuch not found", NotFound),
    (1, f"{DAEMON}No such container: nosuch\nError: failed to start containers: nosuch", NotFound),
    (1, f"{DAEMON}Cannot kill container: nosuch: No such container: nosuch", NotFound),
    (125, f"{RUN}driver failed programming external connectivity on endpoint h3-c (6da9): Error starting"
          f" userland proxy: listen tcp4 127.0.0.1:18500: bind: address already in use{HELP}", Transient),
    (125, f"{RUN}driver failed programming external connectivity on endpoint h3-c (6da9): Bind for"
          f" 127.0.0.1:28533 failed: port is already allocated{HELP}", Transient),
    (1, "write /tmp/h3/sm/.tmp-x1926281101: no space left on device", Transient),
    (1, "Error processing tar file(exit status 1): write /app: no space left on device", Transient),
    (1, "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?", Transient),
    (1, 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', Transient),
    (1, 'error during connect: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.41/info": EOF', Transient),
    (1, f"{DAEMON}removal of container {ID} is already in progress", Transient),
    (1, f"{DAEMON}Cannot kill container: h3-a: Container {ID} is not running", Transient),
    (1, "Error processing tar file(exit status 1): unexpected EOF", Permanent),
    (1, "open /tmp/h3/nosuch: no such file or directory", Permanent),
    (1, f'{DAEMON}Get "https://nosuch.invalid/v2/": dial tcp: lookup x: no such host', Permanent),
    (125, f"{RUN}Minimum memory limit allowed is 6MB{HELP}", Permanent),
    (125, f"docker: open /nowhere: no such file or directory{HELP}", Permanent),
    (1, "An image does not exist locally with the tag: 127.0.0.1:1/x", Permanent),
]  # fmt: skip


@pytest.mark.parametrize(("code", "said", "kind"), SAID)
def test_an_error_is_sorted_by_what_is_to_be_done(code: int, said: str, kind: type[Exception]):
    error = docker_error(Finished(code, b"", said.encode(), 0), "alpha", "Starting h3-a")
    assert type(error) is kind
    assert "alpha" in error.message and said.splitlines()[0][-20:] in error.message


def error_of(code: int, said: str):
    return docker_error(Finished(code, b"", said.encode(), 0), "alpha", "Starting h3-a")


def test_what_a_caller_does_something_about_has_a_code():
    assert error_of(*SAID[0][:2]).code == "NAME_TAKEN"
    assert {error_of(code, said).code for code, said, _ in SAID[8:10]} == {"PORT_TAKEN"}


def test_a_command_that_is_not_in_the_image_is_not_taken_for_a_docker_that_is_missing():
    said = f'{NO_EXEC} container process: exec: "uvicorn": executable file not found in $PATH: unknown.{HELP}'
    error = error_of(127, said)
    assert type(error) is Permanent and error.code == "NOT_STARTABLE"
    assert "its command cannot be run" in error.message


def test_a_docker_that_is_missing_or_not_permitted_comes_with_what_mends_it():
    missing = error_of(127, "sh: 1: docker: not found")
    assert (type(missing), missing.message) == (Permanent, "docker is not installed on alpha.")
    said = f"permission denied while trying to connect to the Docker daemon socket at {SOCKET}: connect:"
    refused = error_of(1, f"{said} permission denied")
    assert type(refused) is Permanent and "usermod -aG docker" in refused.hint


def test_a_lock_that_was_taken_over_stops_the_command_and_the_step_is_tried_again():
    error = error_of(97, "")
    assert type(error) is Transient and "lock" in error.message


def test_a_command_that_says_nothing_is_told_by_its_code():
    assert "exit code 3" in error_of(3, "").message
