"""The report: one HTML file that needs nothing else, and its plots beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dicomnode import __version__
from dicomnode.learning.data.exam_store import ExamStore
from dicomnode.learning.evaluation import Evaluation
from dicomnode.learning.metrics.classification_metrics import Predictions
from dicomnode.learning.metrics.exam_metrics import BreastScores
from dicomnode.learning.reader_study import Beside
from dicomnode.learning.recipes.publication import PublishedSection
from dicomnode.learning.report.classification_plots import classification_plots, confusion_plot
from dicomnode.learning.report.data_check import CheckView, read_check
from dicomnode.learning.report.detection_plots import detection_plots
from dicomnode.learning.report.drawing import Plot
from dicomnode.learning.report.exam_plots import exam_plots
from dicomnode.learning.report.history_plots import history_plots
from dicomnode.learning.report.pictures import ErrorPicture, answer_pictures, lesion_pictures
from dicomnode.learning.report.reader_plots import reader_plot, reader_tables
from dicomnode.learning.report.tables import (
    MAIN,
    MEANINGS,
    ROWS,
    cell,
    class_tables,
    facts,
    figure_table,
    froc_table,
    subgroup_tables,
)


@dataclass(frozen=True, slots=True)
class Background:
    """What a page tells besides the figures of an evaluation.

    Attributes:
        published: What the study that is repeated reported.
        run: Content of a training run's report; None for an evaluation alone.
        check: The run's check of its data.
        readers: The cases that readers assessed, if the evaluation has their figures.
    """

    published: PublishedSection | None = None
    run: Mapping[str, Any] | None = None
    check: Path | None = None
    readers: Beside | None = None


def write_report(out: Path, evaluation: Evaluation, background: Background) -> Path:
    """Write ``report.json``, ``report.html`` and ``plots/`` into a folder; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(evaluation.report, indent=2) + "\n", encoding="utf-8")
    return write_page(out, evaluation.bundle.name, evaluation, background)


def write_page(out: Path, name: str, evaluation: Evaluation | None, background: Background) -> Path:
    """Write ``report.html`` and ``plots/`` into a folder; returns the page.

    Args:
        out: The folder.
        name: Of the model.
        evaluation: Its answers and figures; None if there was no split to measure it on.
        background: What else to tell.
    """
    run = background.run or {}
    check = None if background.check is None else read_check(background.check)
    sections = {"curves": history_plots(run.get("history", []), run.get("epoch"))}
    sections["check"] = () if check is None else check.plots
    content: dict[str, Any] = {"name": name, "version": "", "evaluation": None, "errors": (), "reader_tables": ()}
    if evaluation is not None:
        sections["plots"] = _plots(evaluation)
        content |= _evaluated(evaluation, background.published)
        if background.readers is not None:
            sections["readers"] = (reader_plot(background.readers.study, evaluation.report["readers"]),)
            content["reader_tables"] = reader_tables(evaluation.report["readers"])
    content |= _told(background, check)
    html = _environment().get_template("report.html").render(sections=sections, **content)
    _write_plots(out / "plots", sections)
    page = out / "report.html"
    page.write_text(html, encoding="utf-8")
    return page


def _evaluated(evaluation: Evaluation, published: PublishedSection | None) -> dict[str, Any]:
    report, bundle = evaluation.report, evaluation.bundle
    best = report.get("clean", report["all"])
    task = bundle.node.task.value
    shown = [name for name in (*best, *MAIN[task]) if name in MEANINGS]
    return {
        "version": report["version"],
        "digest": bundle.digest,
        "evaluation": report,
        "description": bundle.description,
        "point": bundle.node.operating_point,
        "patients": len({sample.patient for sample in evaluation.store.samples} - {""}),
        "rows": ROWS["clean" if "clean" in report else "all"],
        "tiles": [(MEANINGS[name][0], cell(best, name)) for name in MAIN[task]],
        "tables": [
            figure_table(report, {} if published is None else published.figures),
            *froc_table(report),
            *class_tables(report),
        ],
        "subgroups": subgroup_tables(report),
        "meanings": [MEANINGS[name] for name in dict.fromkeys(shown)],
        "errors": _errors(evaluation),
        "is_classifier": task == "classification",
    }


def _told(background: Background, check: CheckView | None) -> dict[str, Any]:
    run = background.run
    return {
        "published": background.published,
        "run": None if run is None else facts({"epoch kept": run.get("epoch")} | run.get("run", {})),
        "check": check,
        "software": __version__,
    }


def _plots(evaluation: Evaluation) -> tuple[Plot, ...]:
    """Of the leak-free rows where they are known, as the others flatter; the confusion matrix of both."""
    answers, report = evaluation.answers, evaluation.report
    names = [item.name for item in evaluation.bundle.node.classes]
    if isinstance(answers, BreastScores):
        return exam_plots(answers, report["all"], names)
    if not isinstance(answers, Predictions):
        return detection_plots(answers, report["all"], names)
    if "clean" not in report:
        return classification_plots(answers, report["all"], names)
    clean = [index for index, sample in enumerate(evaluation.store.samples) if sample.clean]
    every = confusion_plot(report["all"]["confusion"], names)
    every = replace(every, name="confusion_all_rows", title="Confusion matrix, all rows")
    first, *others = classification_plots(answers.subset(clean), report["clean"], names)
    return (first, every, *others)


def _errors(evaluation: Evaluation) -> tuple[ErrorPicture, ...]:
    names = [item.name for item in evaluation.bundle.node.classes]
    answers, store = evaluation.answers, evaluation.store
    if isinstance(answers, BreastScores) or isinstance(store, ExamStore):
        return ()
    if isinstance(answers, Predictions):
        return answer_pictures(evaluation.network, store, answers, names)
    return lesion_pictures(store, answers, names)


def _write_plots(folder: Path, sections: Mapping[str, tuple[Plot, ...]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for plots in sections.values():
        for plot in plots:
            (folder / f"{plot.name}.svg").write_text(plot.svg, encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg_address"] = _svg_address
    return environment


def _svg_address(plot: Plot) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(plot.svg.encode()).decode()}"
