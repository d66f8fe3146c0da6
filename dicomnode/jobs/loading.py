"""Models that stay loaded between jobs, checked against what the administrator approved."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path

from dicomnode.archive.deployments import DeploymentStore
from dicomnode.archive.records import DeploymentState, Job
from dicomnode.bundles import Bundle, Way, load_bundle
from dicomnode.errors import BundleError
from dicomnode.inference.decoding.processes import one_per_core
from dicomnode.inference.devices import choose_device
from dicomnode.inference.early.digests import ContentDigests
from dicomnode.inference.early.outputs import OutputMemory
from dicomnode.inference.loaded import LoadedModel, load_model
from dicomnode.inference.pool.device_pool import DevicePool
from dicomnode.inference.tuning.choice import way_on
from dicomnode.settings import Settings


def check_deployment(deployments: DeploymentStore, job: Job) -> None:
    """Look whether a job may still run.

    Raises:
        BundleError: The model was switched off since, or another digest of it was approved.
    """
    deployment = deployments.get(job.model_name)
    if deployment is None or deployment.state is DeploymentState.OFF:
        raise BundleError(f"model {job.model_name} was switched off after routing; switch it on and retry the job")
    if deployment.digest != job.bundle_digest:
        raise BundleError(
            f"model {job.model_name} was replaced by another version after routing; the job is for the earlier one"
        )


class LoadedModels:
    """Bundles and their networks, each loaded when first asked for and kept; safe among threads.

    All networks share one device, whose pool brings the images of several jobs through them together.

    Attributes:
        contents: Remembers digests of instances.
        decoders: Decode the compressed images of all jobs, one process for each core.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._device = choose_device(settings.infer.device)
        self._pool = DevicePool(self._device, settings.infer.batch_wait_seconds)
        self.contents = ContentDigests()
        self.decoders = one_per_core()
        infer = settings.infer
        self._memory = OutputMemory(infer.early_memory_mib << 20) if infer.early else None
        self._guard = threading.RLock()
        self._bundles: dict[str, Bundle] = {}
        self._predictors: dict[str, LoadedModel] = {}
        self._ways: dict[str, Way] = {}

    def bundle(self, name: str, digest: str) -> Bundle:
        """The bundle of that digest.

        Raises:
            BundleError: The folder holds another one, or none that can be used.
        """
        with self._guard:
            known = self._bundles.get(name)
            if known is not None and known.digest == digest:
                return known
            bundle = load_bundle(self._folder / name)
            if bundle.digest != digest:
                raise BundleError(
                    f"bundle {name} was altered after routing; restore it and retry the job, "
                    "or look at it and approve it with dicomnode models set"
                )
            self._predictors.pop(name, None)
            self._bundles[name] = bundle
            return bundle

    def way(self, bundle: Bundle) -> Way:
        """How its network computes: as it was tuned when this process first asked."""
        with self._guard:
            if bundle.digest not in self._ways:
                plain = self._settings.node.deterministic or not self._settings.infer.tuned
                self._ways[bundle.digest] = Way.EAGER if plain else way_on(bundle, self._device)
            return self._ways[bundle.digest]

    def urgent(self, priority: int) -> AbstractContextManager[None]:
        """Let what this thread asks of any model in the block go through the device as its job's priority says."""
        return self._pool.urgent(priority)

    def loaded(self) -> tuple[str, ...]:
        """Names of the models whose networks are loaded."""
        with self._guard:
            return tuple(sorted(self._predictors))

    def predictor(self, bundle: Bundle) -> LoadedModel:
        """The bundle's network, loaded and on its device."""
        with self._guard:
            known = self._predictors.get(bundle.name)
            if known is None or known.bundle.digest != bundle.digest:
                known = self._load(bundle)
                self._predictors[bundle.name] = known
            return known

    def _load(self, bundle: Bundle) -> LoadedModel:
        return load_model(
            bundle,
            self._device,
            self._settings.infer.batch_size,
            self._settings.node.deterministic,
            way=self.way(bundle),
            # An administrator approved this digest, so the expressions of a bundle from elsewhere may run
            allow_code=bundle.runs_code,
            memory=self._memory,
            runner=self._pool,
        )
