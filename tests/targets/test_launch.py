"""The note of a start, its walls and its command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from executor.errors import Invalid
from executor.targets.launch import Launch, orders, release_walls, server_argv

_LAUNCH = Launch(
    release_id="r1",
    droplet_id=21,
    source="/releases/notes/r1/source",
    venv="/venvs/abc",
    host="127.0.0.1",
    port=18500,
    env={"RELEASE_ID": "r1"},
    memory_bytes=1 << 29,
    pids=128,
    log_bytes=1 << 20,
    grace=5.0,
)


def test_a_note_is_read_back_as_it_was_written():
    assert Launch.parsed(_LAUNCH.dumped()) == _LAUNCH


@pytest.mark.parametrize(
    "change",
    [
        {"release_id": "../up"},
        {"release_id": 5},
        {"droplet_id": 0},
        {"droplet_id": "21"},
        {"droplet_id": True},
        {"port": 80},
        {"port": 70000},
        {"port": "18500"},
        {"source": "relative"},
        {"source": 5},
        {"venv": ["/"]},
        {"env": {"A=B": "x"}},
        {"env": {"A": 1}},
        {"env": ["A"]},
        {"memory_bytes": -1},
        {"uid": 0},
        {"argv": ["sh"]},
    ],
    ids=str,
)
def test_a_note_that_is_not_exactly_one_is_refused(change):
    with pytest.raises(Invalid):
        Launch.parsed(json.dumps({**json.loads(_LAUNCH.dumped()), **change}))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{", '"x"'])
def test_what_is_no_note_at_all_is_refused(text):
    with pytest.raises(Invalid):
        Launch.parsed(text)


def test_the_server_is_uvicorn_on_the_given_address():
    expected = "/venv/bin/python -m uvicorn app.main:app --host 127.0.0.1 --port 18500"
    assert server_argv(_LAUNCH) == expected.split()


def test_a_release_may_write_its_data_and_nothing_else():
    walls = release_walls(_LAUNCH, Path("/data/notes"))
    assert [(str(bind.source), bind.target) for bind in walls.binds if bind.writable] == [
        ("/data/notes", "/data")
    ]
    assert walls.network and walls.env["DATA_DIR"] == "/data"


def test_its_data_directory_cannot_be_moved_by_its_environment():
    walls = release_walls(replace(_LAUNCH, env={"DATA_DIR": "/app"}), Path("/d"))
    assert walls.env["DATA_DIR"] == "/data"


def test_orders_name_the_walls_the_limits_and_the_uid():
    told = orders(
        _LAUNCH, record=Path("/r"), data=Path("/d"), uid=64021, join=("/c/procs",), total_memory=True
    )
    argv = " ".join(told["argv"])
    assert "--reuid=64021" in argv and "/c/procs" in argv and "--cpu" not in argv and "--fsize" not in argv
    assert "--die-with-parent" in told["options"] and "--unshare-net" not in told["options"]
    assert json.loads(json.dumps(told)) == told
