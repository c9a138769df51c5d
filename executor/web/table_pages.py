"""Every route that a browser opens, as tables: pages, their live halves, forms, login, links in mails."""

from __future__ import annotations

from executor.web.api import Api
from executor.web.approvals import Approvals
from executor.web.forms import guarded
from executor.web.live import LivePages
from executor.web.login import Login
from executor.web.operations import Operation
from executor.web.page_actions import PageActions
from executor.web.page_build import BuildPage
from executor.web.page_costs import CostsPage
from executor.web.page_droplets import DropletsPage
from executor.web.page_gates import Evidence
from executor.web.page_home import HomePage
from executor.web.page_new import NewBuildPage
from executor.web.page_system import SystemPage
from executor.web.pages import Pages
from executor.web.session import Sessions
from executor.web.status import StatusDocuments


def page_operations(
    api: Api, documents: StatusDocuments, pages: Pages, sessions: Sessions
) -> list[Operation]:
    """Home, a build's page, their live halves, and the forms of a build."""
    evidence = Evidence(api.store)
    home = HomePage(api, documents, pages, evidence)
    build = BuildPage(api, documents, pages, evidence)
    live, actions = LivePages(api, pages, home, build), PageActions(api, build)
    html, stream, one = ("text/html",), ("text/event-stream",), "/builds/{build_id}"
    verbs = (
        ("decide", actions.decide, "Approve, revise or reject."),
        ("answer", actions.answer, "Answer the open questions."),
        ("budget", actions.budget, "Raise the budget."),
        ("cancel", actions.cancel, "Stop the build."),
        ("retry", actions.retry, "Try again from a step."),
        ("rollback", actions.roll_back, "Withdraw the release."),
    )
    errors = (400, 403, 404, 409, 413, 415, 503)
    live_errors, live_build = (400, 404), f"/live{one}"
    return [
        Operation("GET", "/", home.show, "What needs you, what runs, what was.", "Pages", media=html),
        Operation("GET", one, build.show, "A build's page.", "Pages", media=html, errors=(404,)),
        Operation("GET", "/live/home", live.home, "The front page's parts, live.", "Pages", media=stream),
        Operation(
            "GET", live_build, live.build, "Its parts, live.", "Pages", media=stream, errors=live_errors
        ),
        *(
            Operation(
                "POST", f"{one}/{verb}", guarded(sessions, act), says, "Pages", status=303, errors=errors
            )
            for verb, act, says in verbs
        ),
    ]


def more_page_operations(api: Api, pages: Pages, sessions: Sessions) -> list[Operation]:
    """The pages beside the builds."""
    new, html = NewBuildPage(api, pages), ("text/html",)
    errors = (400, 403, 409, 413, 415, 429, 503)
    shown = (
        ("/new", new.form, "The form for a new build."),
        ("/costs", CostsPage(api, pages).show, "What all builds came to."),
        ("/droplets", DropletsPage(api, pages).show, "Every droplet with its releases."),
        ("/system", SystemPage(api, pages).show, "How the daemon fares."),
    )
    return [
        Operation(
            "POST", "/new", guarded(sessions, new.send), "Start it.", "Pages", status=303, errors=errors
        ),
        *(Operation("GET", path, handler, says, "Pages", media=html) for path, handler, says in shown),
    ]


def login_operations(login: Login, sessions: Sessions) -> list[Operation]:
    """In and out of the page, where the daemon has a token."""
    html = ("text/html",)
    leave = guarded(sessions, login.leave)
    return [
        Operation("GET", "/login", login.form, "The form that asks for the token.", "Pages", media=html),
        Operation("POST", "/login", login.enter, "Log in.", "Pages", status=303, errors=(401, 413, 415, 429)),
        Operation("POST", "/logout", leave, "Log out.", "Pages", status=303, errors=(403, 413, 415)),
    ]


def approval_operations(approvals: Approvals) -> list[Operation]:
    """What the links in mails lead to."""
    html, path = ("text/html",), "/a/{token}"
    errors = (404, 410)
    return [
        Operation(
            "GET", path, approvals.show, "What is asked, to be decided.", "Pages", media=html, errors=errors
        ),
        Operation(
            "POST", path, approvals.decide, "Decide.", "Pages", media=html, errors=(400, 404, 410, 413, 415)
        ),
    ]
