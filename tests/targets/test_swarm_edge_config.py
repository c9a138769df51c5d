"""The configuration of a swarm's edge, checked by the proxy itself where it is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from executor.targets.swarm_edge_config import config_for_service


def test_requests_go_to_the_tasks_that_dockers_dns_names_and_no_task_is_asked_for_its_health():
    text = config_for_service("fpai-notes", 20)
    assert "server-template task 1-20 fpai-notes:8000 resolvers engine init-addr none" in text
    assert "nameserver dns 127.0.0.11:53" in text
    assert "bind :8080" in text
    assert "httpchk" not in text


def test_what_may_have_changed_something_is_never_sent_twice():
    assert "disable-l7-retry unless { method GET HEAD OPTIONS }" in config_for_service("fpai-notes", 20)


def test_the_proxy_takes_its_configuration(tmp_path: Path):
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("haproxy is not installed")
    file = tmp_path / "edge.cfg"
    file.write_text(config_for_service("fpai-notes", 20))
    done = subprocess.run([program, "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
