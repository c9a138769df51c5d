"""The workspace as commits: what the history of a conversation tells of can always be put back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from executor.adapters.git import Git
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Of one build's workspace. The same files over the same package give the same snapshot."""

    git: Git
    repository: Path
    places: Places
    build_id: str
    package: str
    when: datetime

    @property
    def workspace(self) -> Path:
        """The directory that the model works in, `/ws` inside the walls."""
        return self.places.workspace(self.build_id)

    async def save(self) -> str:
        """Commit the workspace as it is; no ref is moved. Raises Permanent for what git must not hold."""
        return await self.git.commit(
            self.repository, self.workspace, "Workspace", when=self.when, parent=self.package
        )

    async def restore(self, commit: str) -> None:
        """Put a commit's files into the workspace, and nothing else."""
        await remove_tree(self.workspace)
        await self.git.checkout(self.repository, commit, self.workspace)

    async def iteration(self, number: int, parent: str) -> str:
        """Commit the workspace as one iteration and name it by a ref."""
        commit = await self.git.commit(
            self.repository, self.workspace, f"Iteration {number}", when=self.when, parent=parent
        )
        await self.git.set_ref(self.repository, f"refs/builds/{self.build_id}/iteration-{number}", commit)
        return commit
