"""The models that may be asked: every one in the bundle folder that an administrator approved as it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dicomnode.archive.deployments import DeploymentStore
from dicomnode.archive.records import DeploymentState
from dicomnode.bundles import Bundle
from dicomnode.errors import NotFoundError
from dicomnode.jobs.deployed import Shelf


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that may be asked.

    Attributes:
        state: What it does with studies that arrive; a model that is off there may be asked here.
    """

    bundle: Bundle
    state: DeploymentState


class Choices:
    """The bundle folder, read anew when it changes."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._guard = threading.Lock()

    def all(self, deployments: DeploymentStore) -> tuple[Choice, ...]:
        """Every model that may be asked, by name."""
        with self._guard:  # pages ask from several threads, and the shelf is for one
            bundles = [item for item in self._shelf.bundles() if isinstance(item, Bundle)]
        approved = {deployment.model_name: deployment for deployment in deployments.list()}
        return tuple(
            Choice(bundle, approved[bundle.name].state)
            for bundle in bundles
            if bundle.name in approved and approved[bundle.name].digest == bundle.digest
        )

    def named(self, deployments: DeploymentStore, name: str) -> Choice:
        """The model of that name.

        Raises:
            NotFoundError: There is none, or it is not approved.
        """
        for choice in self.all(deployments):
            if choice.bundle.name == name:
                return choice
        raise NotFoundError(
            "there is no approved model of that name: GET /api/v1/predict lists those that may be asked"
        )
