"""What a model or a request says stays text in a real browser: nothing of it runs or is asked for."""

from __future__ import annotations

import json

from executor.domain.outcome import Artifact, Ask, Done, Outcome
from executor.domain.step import StepContext
from tests.browser.conftest import Opening
from tests.proof.ledger import Ledger
from tests.web.conftest import Site

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe src=javascript:alert(1)>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<math><mi xlink:href=javascript:alert(1)>",
    "</textarea><script>alert(1)</script>",
    "</pre><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!--<script>alert(1)//-->",
    "<style>@import 'http://evil.example/x'</style>",
    "<link rel=stylesheet href=http://evil.example/x>",
    "<meta http-equiv=refresh content=0;url=http://evil.example>",
    "<form action=http://evil.example><button>go</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<base href=http://evil.example/>",
    "{{7*7}}{% raw %}",
    "${alert(1)}",
    "\u202ealert(1)",
    "<img src=http://evil.example/pixel>",
    'data: x\n\nevent: part\ndata: {"id": "status", "html": "<script>alert(1)</script>"}',
]
TABS = ("log", "diff", "spec", "tests", "turns", "deploy", "events")


async def test_thirty_payloads_from_a_model_stay_text_on_every_page(
    site: Site, opening: Opening, ledger: Ledger
) -> None:
    everything = "\n".join(PAYLOADS)

    async def hostile(context: StepContext) -> Outcome:
        for payload in PAYLOADS:
            context.log(payload)
        await context.record("code_written", everything, data={"x": everything})
        finding = {"rule": PAYLOADS[0], "title": PAYLOADS[1], "result": "pass", "evidence": everything}
        made = (
            Artifact("spec", f"# {everything}"),
            Artifact("diff", f"diff --git a/x b/{PAYLOADS[1]}\n+{everything}"),
            Artifact("tests", json.dumps({"findings": [finding], "tests_passing": 1})),
        )
        facts = {"deployment_url": "javascript:alert(1)", "release": PAYLOADS[4], "commit": PAYLOADS[1]}
        return Done(everything, facts, made)

    async def asks(_: StepContext) -> Outcome:
        questions = (
            {"id": PAYLOADS[4], "question": everything, "options": PAYLOADS[:3], "default": PAYLOADS[0]},
        )
        return Ask(everything, questions)

    site.world.steps[4].script = hostile
    site.world.steps[5].script = asks
    build = await site.world.submit(f"Build Library Droplet {everything[:3000]}")
    async with opening(site.url) as window:
        await window.go(f"/builds/{build.id}")
        await window.page.get_by_text(PAYLOADS[-4], exact=False).first.wait_for()
        for path in ("/", *(f"/builds/{build.id}?tab={tab}" for tab in TABS), "/costs", "/droplets", "/new"):
            await window.go(path)
            await window.page.wait_for_timeout(100)
            count = await window.page.evaluate(
                "document.querySelectorAll('main img, main iframe, main script').length"
            )
            assert count == 0, path
            hrefs = await window.page.evaluate("[...document.querySelectorAll('a')].map(a => a.protocol)")
            assert set(hrefs) <= {"http:", "https:"}, path
        await window.go(f"/builds/{build.id}?tab=log&search={PAYLOADS[0]}")
        await window.go(f"/new?intent={PAYLOADS[12]}")
        assert await window.page.get_by_label("What do you need?").input_value() == PAYLOADS[12]
    ledger.tried("payloads on every page", len(PAYLOADS), threat="stored XSS")
