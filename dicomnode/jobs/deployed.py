"""The models in the bundle folder together with what the administrator approved."""

from __future__ import annotations

from pathlib import Path

from dicomnode.archive.deployments import DeploymentStore
from dicomnode.archive.records import Deployment, DeploymentState
from dicomnode.bundles import BrokenBundle, Bundle, Task, list_bundles
from dicomnode.jobs.routing import DeployedModel


class Shelf:
    """The bundle folder, read anew only when a file in it has changed.

    Routing asks it at every complete study; reading takes the digest of all weights. What runs is
    checked by its digest again, by the worker.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: list[tuple[str, int, int]] | None = None
        self._bundles: list[Bundle | BrokenBundle] = []

    def bundles(self) -> list[Bundle | BrokenBundle]:
        """Every bundle in the folder."""
        seen = sorted(
            (str(path), status.st_mtime_ns, status.st_size)
            for path in self.folder.rglob("*")
            if (status := path.lstat()) and not path.is_dir()
        )
        if seen != self._seen:
            self._bundles = list_bundles(self.folder)
            self._seen = seen
        return self._bundles


def deployed_models(shelf: Shelf, deployments: DeploymentStore) -> tuple[DeployedModel, ...]:
    """Every bundle in the folder and every approved one that is missing from it, with what keeps it from running."""
    approved = {deployment.model_name: deployment for deployment in deployments.list()}
    found = [_deployed(bundle, approved.get(bundle.name)) for bundle in shelf.bundles()]
    present = {model.name for model in found}
    missing = [
        DeployedModel(name, deployment.digest, deployment.state, None, f"its bundle is not in {shelf.folder.name}/")
        for name, deployment in approved.items()
        if name not in present and deployment.state is not DeploymentState.OFF
    ]
    return (*found, *missing)


def _deployed(bundle: Bundle | BrokenBundle, approved: Deployment | None) -> DeployedModel:
    if isinstance(bundle, BrokenBundle):
        return DeployedModel(bundle.name, "", DeploymentState.OFF, None, bundle.problem)
    state = DeploymentState.OFF if approved is None else approved.state
    problem, whole = _problem(bundle, approved), bundle.node.task is Task.EXAM
    return DeployedModel(bundle.name, bundle.digest, state, bundle.node.accepts, problem, takes_all_series=whole)


def _problem(bundle: Bundle, approved: Deployment | None) -> str:
    if approved is None:
        return f"waits for approval: dicomnode models set {bundle.name} silent (or live)"
    if approved.digest != bundle.digest:
        return f"changed since it was approved: look at it, then dicomnode models set {bundle.name} {approved.state}"
    return ""
