"""One model of mammography exams on one device: the views of an exam in, its answer and its findings out."""

from __future__ import annotations

import torch

from dicomnode.bundles import Bundle, ExamInput, Way
from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.errors import BundleError, ImageError, ScopeError
from dicomnode.inference.devices import prepare_torch
from dicomnode.inference.mammography.answer import SeenView, answer_of_exam, study_class
from dicomnode.inference.mammography.exam import Exam, Mammogram
from dicomnode.inference.mammography.lesions import lesions_of
from dicomnode.inference.mammography.network import SIDES, ExamNetwork
from dicomnode.inference.mammography.preparation import Prepared, prepare
from dicomnode.inference.mammography.source_grid import attention_on_source, map_on_source
from dicomnode.inference.pool.lane import Runner
from dicomnode.inference.predictor import Prediction

_SIDES = {"L": "left", "R": "right"}


class ExamPredictor:
    """A loaded bundle of task ``exam`` that answers one exam after the other.

    Views go through the network one at a time, so that an exam of full-resolution images needs little more memory than
    one of them.

    Args:
        bundle: An approved bundle.
        device: Where the network stays.
        deterministic: True keeps this process's torch at one thread, so that scores repeat bit for bit.
        way: How the network computes; plain float32 if deterministic.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
        runner: Who brings views through the network; None runs them in the thread that asks.

    Raises:
        BundleError: The bundle describes another kind of model, or its network cannot be built.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: torch.device,
        deterministic: bool = False,
        *,
        way: Way = Way.EAGER,
        allow_code: bool = False,
        runner: Runner | None = None,
    ) -> None:
        if bundle.node.exam is None:
            raise BundleError(f"bundle {bundle.name} is no model of mammography exams: its task is {bundle.node.task}")
        if deterministic:
            prepare_torch(deterministic=True)
        self.bundle = bundle
        self.exam: ExamInput = bundle.node.exam
        self._class = study_class(bundle.node, self.exam)
        self.way = Way.EAGER if deterministic else way
        self._network = ExamNetwork(bundle, device, way=self.way, allow_code=allow_code, runner=runner)

    def predict(self, exam: Exam, seed: str) -> Prediction:
        """Answer one exam.

        A network that looks at single images answers for a breast by the views there are; one that looks at the
        whole exam needs all four.

        Where images of a breast came and none of them can be trusted, the exam is refused: an answer for the other
        breast would read as one for both.

        Args:
            exam: Views of one study.
            seed: What tracking UIDs are derived from: same seed, same UIDs.

        Raises:
            ImageError: A view that the network needs is missing, or no image of a breast can be used.
            ScopeError: There is neither a craniocaudal nor a mediolateral oblique view.
            BundleError: The network answers other than its bundle says.
        """
        if not any(name in exam.views for name in STANDARD_VIEWS):
            raise ScopeError("the exam holds no craniocaudal and no mediolateral oblique view")
        seen = self._one_by_one(exam) if self.exam.unit == "image" else self._together(exam)
        answer = answer_of_exam(self.bundle.node, self.exam, seen)
        return Prediction(
            answer,
            lesions_of(self.bundle.node, self.exam, answer, seen, seed),
            heat_maps=tuple(view.heat_map for view in seen if view.heat_map is not None),
            attention=tuple(item for view in seen for item in view.attention),
        )

    def _one_by_one(self, exam: Exam) -> list[SeenView]:
        for side, word in _SIDES.items():
            refused = [item.reason for item in exam.left_out if item.refused and item.laterality in ("", side)]
            if refused and not any(name in exam.views for name in STANDARD_VIEWS if name.startswith(side)):
                raise ImageError(f"no image of the {word} breast can be used: {'; '.join(refused)}")
        return [self._look(mammogram) for name in STANDARD_VIEWS for mammogram in exam.views.get(name, ())]

    def _look(self, mammogram: Mammogram) -> SeenView:
        prepared, image = self._prepared(mammogram), mammogram.image
        said = self._network.look(prepared.pixels, self._class)
        reference, shape, size = image.slices[0], (image.rows, image.columns), prepared.pixels.shape[1:]
        saliency = said.saliency
        return SeenView(
            image=reference,
            view=mammogram.view.name,
            shape=shape,
            pixel_spacing=image.pixel_spacing,
            scores=said.scores,
            heat_map=None if saliency is None else map_on_source(reference, saliency, size, prepared.placement),
            attention=attention_on_source(reference, shape, said.patches, said.attention, prepared.placement),
        )

    def _together(self, exam: Exam) -> list[SeenView]:
        if exam.missing:
            refused = "".join(f"; {item.reason}" for item in exam.left_out if item.refused)
            raise ImageError(
                f"the exam has no {' and no '.join(exam.missing)}, and the model looks at {', '.join(STANDARD_VIEWS)}"
                f" together; send what is missing, and the study is looked at again{refused}"
            )
        chosen = {name: exam.views[name][0] for name in STANDARD_VIEWS}
        scores = self._network.look_together({name: self._prepared(item).pixels for name, item in chosen.items()})
        return [
            SeenView(
                image=item.image.slices[0],
                view=name,
                shape=(item.image.rows, item.image.columns),
                pixel_spacing=item.image.pixel_spacing,
                scores=scores[SIDES.index(item.view.laterality)],
            )
            for name, item in chosen.items()
        ]

    def _prepared(self, mammogram: Mammogram) -> Prepared:
        size = self.exam.mlo_size if mammogram.view.position == "MLO" else self.exam.cc_size
        return prepare(mammogram.image.slice_array(0)[0], mammogram.view, size)
