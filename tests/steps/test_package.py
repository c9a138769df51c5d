"""Step 3 lays the skeleton of a new release around what a model wrote in the one before."""

from __future__ import annotations

from dataclasses import replace

from executor.adapters.git import Git
from executor.sandbox.places import Places
from executor.steps.package import PackageStep
from tests.fakes.apprentice import answer, finish, tool
from tests.fakes.model import script
from tests.steps.conftest import House
from tests.steps.workbench import workbench

EDITED = "# edited by the model\nANSWER = 42\n"


async def shown(tmp_path, build, commit, path) -> str:
    return await Git().show(tmp_path / "state" / "repositories" / f"{build.droplet_name}.git", commit, path)


async def logged(house: House, build) -> str:
    return "\n".join(line["text"] for line in await house.store.log_lines.page(build.id))


async def test_a_new_release_keeps_what_the_model_edited_and_renders_the_rest_anew(tmp_path):
    edit = tool("str_replace_based_edit_tool", command="create", path="/ws/app/models.py", file_text=EDITED)
    replies = script([edit, answer(), finish()], [answer(), finish()])
    async with workbench(tmp_path / "state", replies) as (house, _):
        first = await house.made()
        second = await house.made(
            intent="Build a Library Droplet for books and films", droplet_name=first.droplet_name
        )
        log = await logged(house, second)
    package = second.facts["package_commit"]
    assert second.facts["base_commit"] == first.facts["commit"]
    assert await shown(tmp_path, second, package, "app/models.py") == EDITED
    assert await shown(tmp_path, second, second.facts["commit"], "app/models.py") == EDITED
    assert '"0.2.0"' in await shown(tmp_path, second, package, "app/identity.json")
    assert "Kept as they were edited in earlier releases: app/models.py." in log


async def test_by_rule_the_whole_skeleton_is_rendered_anew(house, tmp_path):
    first = await house.made()
    second = await house.made(intent="Build a Library Droplet for films", droplet_name=first.droplet_name)
    assert '"0.2.0"' in await shown(tmp_path, second, second.facts["package_commit"], "app/identity.json")
    assert "Kept as they were" not in await logged(house, second)


async def test_a_package_made_again_is_the_same_commit(house, tmp_path):
    build = await house.made()
    state = tmp_path / "state"
    step = PackageStep(Git(), state / "repositories", Places.of(state, base=state / "places"))
    outcome = await step.run(house.context(replace(build, step=3, attempt=2)))
    assert outcome.facts["package_commit"] == build.facts["package_commit"]
