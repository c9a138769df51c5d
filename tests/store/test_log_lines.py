"""The build log: whole, in order, redacted, and readable while the disk is full."""

from __future__ import annotations

import base64
from pathlib import Path

from executor.redaction import Redactor
from executor.store.store import Store
from tests.store.conftest import add_many_lines, make_build, stored


def _add(store: Store, text: str) -> None:
    store.log_lines.add("build-1", step=1, attempt=1, level="info", text=text, now=0.0)


async def test_lines_keep_their_order_and_are_there_at_once_for_whoever_reads(store):
    await stored(store, make_build())
    _add(store, "one\ntwo")
    _add(store, "three")
    lines = await store.log_lines.page("build-1")
    assert [(line["line"], line["text"]) for line in lines] == [(1, "one"), (2, "two"), (3, "three")]
    assert [line["text"] for line in await store.log_lines.page("build-1", after=2)] == ["three"]


async def test_lines_that_wait_at_the_close_are_written(tmp_path):
    store = await Store.open(tmp_path)
    await stored(store, make_build())
    _add(store, "the last words")
    await store.close()
    again = await Store.open(tmp_path)
    assert [line["text"] for line in await again.log_lines.page("build-1")] == ["the last words"]
    await again.close()


async def test_secrets_are_gone_before_a_line_is_kept(tmp_path: Path):
    store = await Store.open(tmp_path, lambda text: text.replace("hunter2", "[redacted]"))
    await stored(store, make_build())
    _add(store, "password hunter2")
    assert (await store.log_lines.page("build-1"))[0]["text"] == "password [redacted]"
    await store.close()


async def test_a_secret_that_comes_in_two_pieces_or_is_cut_with_its_line_is_gone_too(tmp_path: Path):
    secret = "canary-5e1f-of-two-pieces"
    store = await Store.open(tmp_path, Redactor([secret]).text)
    for build in (make_build(1), make_build(2)):
        await stored(store, build)
    encoded = base64.b64encode(secret.encode()).decode()
    _add(store, f"first\n{encoded[:20]}")
    store.log_lines.add("build-2", step=1, attempt=1, level="info", text="between", now=0.0)
    _add(store, f"{encoded[20:]}\nlast")
    _add(store, "x" * 3990 + secret)
    lines = [line["text"] for line in await store.log_lines.page("build-1")]
    assert lines == ["first", "[redacted]", "==", "last", "x" * 3990 + "[redacted]"]
    assert [line["text"] for line in await store.log_lines.page("build-2")] == ["between"]
    await store.close()


async def test_a_full_disk_hides_no_written_line_and_loses_no_waiting_one(store):
    await stored(store, make_build())
    _add(store, "before")
    await store.log_lines.flush()
    pages = (await store.database.fetch("PRAGMA page_count"))[0][0]
    await store.database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    add_many_lines(store)
    assert [line["text"] for line in await store.log_lines.page("build-1")] == ["before"]
    await store.database.write(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
    assert len(await store.log_lines.page("build-1", limit=5000)) == 2001
