"""SPEC, diff, tests, report, log and the registry, as callers read them."""

from __future__ import annotations

import json

from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from executor.store.droplets import ReleaseRow
from executor.web.documents import DropletDocument, LogDocument
from tests.web.conftest import Serving, Site


async def built(site: Site) -> str:
    async def spec(context: StepContext) -> Outcome:
        context.log("first line\nsecond line")
        context.log("beware", "warning")
        return Done("Written.", artifacts=(Artifact("spec", "# SPEC of it", {"score": 97}),))

    async def verify(_: StepContext) -> Outcome:
        document = {"passed": True, "findings": []}
        artifacts = (Artifact("tests", json.dumps(document)), Artifact("diff", "--- a\n+++ b\n"))
        return Done("Verified.", artifacts=artifacts)

    site.world.steps[2].script = spec
    site.world.steps[5].script = verify
    return f"/executor/builds/{(await site.finished()).id}"


async def test_a_spec_is_markdown_unless_json_is_asked_for(site: Site) -> None:
    path = await built(site)
    status, text, headers = await site.get(f"{path}/spec")
    assert (status, text) == (200, "# SPEC of it")
    assert headers["content-type"].startswith("text/markdown")
    status, document, _ = await site.get(f"{path}/spec", headers={"Accept": "application/json"})
    assert document["spec"] == "# SPEC of it"
    assert (document["version"], document["meta"], len(document["versions"])) == (1, {"score": 97}, 1)


async def test_what_is_kept_as_json_is_served_as_json(site: Site) -> None:
    path = await built(site)
    status, document, _ = await site.get(f"{path}/tests", headers={"Accept": "text/plain"})
    assert (status, document) == (200, {"passed": True, "findings": []})


async def test_an_absent_artifact_or_version_is_404_and_says_where_the_build_is(site: Site) -> None:
    path = await built(site)
    status, reply, _ = await site.get(f"{path}/spec?version=9")
    assert (status, reply["error"]["code"]) == (404, "SPEC_NOT_FOUND")
    assert "version 9" in reply["error"]["message"]
    status, reply, _ = await site.get(f"{path}/report")
    assert (status, reply["error"]["code"]) == (404, "REPORT_NOT_FOUND")


async def test_the_log_is_paged_searched_and_filtered(site: Site) -> None:
    path = await built(site)
    whole = LogDocument.model_validate((await site.get(f"{path}/log"))[1])
    texts = [line.text for line in whole.lines]
    assert [t for t in texts if t in {"first line", "second line", "beware"}] == [
        "first line",
        "second line",
        "beware",
    ]
    page = (await site.get(f"{path}/log?limit=1&search=LINE"))[1]
    assert page["lines"][0]["text"] == "first line"
    rest = (await site.get(f"{path}/log?search=line&after={page['next']}"))[1]
    assert [line["text"] for line in rest["lines"]] == ["second line"]
    warnings = (await site.get(f"{path}/log?level=warning"))[1]["lines"]
    assert [line["text"] for line in warnings] == ["beware"]
    end = (await site.get(f"{path}/log?after=999"))[1]
    assert end == {"lines": [], "next": 999}


def rounds(*greens: bool) -> tuple[Artifact, ...]:
    return tuple(
        Artifact("diff", f"+ as of {n}\n", {"iteration": n, "commit": f"c{n}", "green": green})
        for n, green in enumerate(greens, 1)
    )


async def test_each_iteration_has_its_diff_and_the_newest_is_the_default(site: Site) -> None:
    async def build(context: StepContext) -> Outcome:
        for diff in rounds(False, False):
            await context.record("iteration_finished", "One more.", artifacts=(diff,))
        again = Artifact("diff", "+ anew\n", {"iteration": 1, "commit": "c9", "green": True})
        return Done("Built.", artifacts=(again,))

    site.world.steps[4].script = build
    path = f"/executor/builds/{(await site.finished()).id}/diff"
    assert (await site.get(path))[1] == "+ anew\n"
    assert (await site.get(f"{path}?iteration=2"))[1] == "+ as of 2\n"
    assert (await site.get(f"{path}?iteration=1"))[1] == "+ anew\n"
    assert (await site.get(f"{path}?version=1"))[1] == "+ as of 1\n"
    document = (await site.get(path, headers={"Accept": "application/json"}))[1]
    assert [v["meta"]["iteration"] for v in document["versions"]] == [1, 2, 1]
    status, reply, _ = await site.get(f"{path}?iteration=7")
    assert (status, reply["error"]["code"]) == (404, "DIFF_NOT_FOUND")
    assert (await site.get(f"{path}?iteration=1&version=1"))[0] == 400


async def test_versions_of_a_spec_are_compared(site: Site) -> None:
    async def spec(context: StepContext) -> Outcome:
        await context.record("drafted", "A draft.", artifacts=(Artifact("spec", "# Notes\n\none\ntwo"),))
        return Done("Written.", artifacts=(Artifact("spec", "# Notes\n\none\n2\n"),))

    site.world.steps[2].script = spec
    path = f"/executor/builds/{(await site.finished()).id}/spec"
    status, text, headers = await site.get(f"{path}?version=2&against=1")
    assert (status, text.splitlines()[:2]) == (200, ["--- SPEC version 1", "+++ SPEC version 2"])
    assert [line for line in text.splitlines()[2:] if line[0] in "+-"] == ["-two", "+2"]
    assert headers["content-type"].startswith("text/x-diff")
    document = (await site.get(f"{path}?against=1", headers={"Accept": "application/json"}))[1]
    assert (document["version"], document["against"], document["diff"]) == (2, 1, text)
    assert (await site.get(f"{path}?against=2"))[1] == ""
    assert (await site.get(f"{path}?against=9"))[0] == 404
    assert (await site.get(f"{path}?against=0"))[0] == 400


async def test_the_registry_lists_droplets_with_releases_and_probed_health(serve: Serving) -> None:
    async with serve(api={"health_of": lambda release: f"healthy {release}"}) as site:
        build = await site.finished(droplet_id=20, droplet_name="books")
        row = ReleaseRow("r1", 20, build.id, "0.1.0", "abc", "process", "http://x:1", {}, "live", 5.0, 5.0)
        await site.world.store.droplets.switch("books", row)
        status, droplets, _ = await site.get("/executor/droplets")
    assert status == 200
    droplet = DropletDocument.model_validate(droplets[0])
    assert (droplet.droplet_id, droplet.name, droplet.url, droplet.release) == (
        20,
        "books",
        "http://x:1",
        "r1",
    )
    assert droplet.health == "healthy r1"
    assert droplet.releases[0].build_id == build.id
