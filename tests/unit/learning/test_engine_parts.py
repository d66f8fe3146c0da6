"""Compilation, curves, time left, time budget and processes, each on its own."""

from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from dicomnode.errors import TrainingError, UsageError
from dicomnode.learning.engine.boards import open_board
from dicomnode.learning.engine.budget import Budget
from dicomnode.learning.engine.compilation import compile_network
from dicomnode.learning.engine.progress import LineReporter, Pace, in_words, make_reporter
from dicomnode.learning.engine.ranks import ALONE, Ranks, own_device


def test_a_compiled_network_keeps_the_names_of_its_weights() -> None:
    model = nn.Sequential(nn.Linear(2, 2))

    compile_network(model, find=lambda name: f"/usr/bin/{name}")

    assert list(model.state_dict()) == ["0.weight", "0.bias"]


def test_without_a_compiler_the_error_says_what_to_install() -> None:
    with pytest.raises(TrainingError, match=r"install a C\+\+ compiler"):
        compile_network(nn.Linear(1, 1), find=lambda name: None)


def test_curves_go_on_where_a_run_goes_on(tmp_path: Path) -> None:
    with open_board(tmp_path, 0) as board:
        for step in range(1, 61):
            board.step(step, 1.0, 0.1)
        board.epoch(60, {"loss": 0.5, "accuracy": 0.9})
    with open_board(tmp_path, 30) as board:
        board.step(40, 2.0, 0.1)

    curves = EventAccumulator(str(tmp_path))
    curves.Reload()
    assert [(event.step, event.value) for event in curves.Scalars("step/loss")] == [(20, 1.0), (40, 2.0)]
    assert set(curves.Tags()["scalars"]) >= {"step/loss", "step/learning_rate"}


def test_no_folder_no_curves(tmp_path: Path) -> None:
    with open_board(None, 0) as board:
        board.step(20, 1.0, 0.1)
        board.epoch(20, {"loss": 1.0})


class Clock:
    """Seconds, as a test says."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_is_that_of_the_whole_run() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.begin(1, 3, 10)
    clock.now = 5
    assert pace.step() == 5 * 29
    for _ in range(8):
        pace.step()
    clock.now = 20  # validation counts, too
    assert pace.step() == 20 / 10 * 20
    pace.begin(2, 3, 10)
    assert pace.step() == pytest.approx(20 / 11 * 19)


def test_a_resumed_run_counts_its_own_steps_only() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.begin(3, 3, 10)
    clock.now = 4
    assert pace.step() == 4 * 9


def test_the_time_left_is_no_more_than_the_budget() -> None:
    clock = Clock()
    pace = Pace(60, clock)
    pace.begin(1, 100, 10)
    clock.now = 50
    assert pace.step() == 10


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.4, "1:01"), (7322, "2:02:02")])
def test_seconds_in_words(seconds: float, text: str) -> None:
    assert in_words(seconds) == text


def test_a_line_tells_loss_metric_and_time_left() -> None:
    lines: list[str] = []
    clock = Clock()
    report = LineReporter(lines.append, clock).begin(1, 2, 2, "best accuracy 0.5000")
    clock.now = 1
    report(1.0)
    clock.now = 2
    report(3.0)

    assert lines == ["epoch 1/2 step 2/2 loss 2.0000, 0:02 left best accuracy 0.5000"]


def test_a_bar_tells_loss_metric_and_time_left() -> None:
    written = StringIO()
    reporter = make_reporter(Console(file=written, force_terminal=True, color_system=None, width=120), budget_minutes=0)
    report = reporter.begin(1, 2, 2, "best accuracy 0.5000")
    report(1.0)
    report(3.0)
    reporter.say("epoch 1: loss 2.0000")
    reporter.close()

    assert "epoch 1: loss 2.0000" in written.getvalue()
    assert "loss 3.0000 best accuracy 0.5000 0:00 left" in written.getvalue()


def test_a_budget_lets_one_batch_through_and_counts_from_it() -> None:
    clock = Clock()
    budget = Budget(1, ALONE, clock)
    seen = []
    for batch in budget.limit(range(5)):
        seen.append(batch)
        clock.now += 40

    assert seen == [0, 1] and budget.is_over


def test_processes_share_a_batch_and_draw_for_themselves() -> None:
    ranks, batch = [Ranks(0, 2), Ranks(1, 2)], torch.arange(4)

    assert torch.cat([rank.share(batch) for rank in ranks]).sort().values.tolist() == [0, 1, 2, 3]
    generator = torch.Generator().manual_seed(3)
    assert ranks[0].own(generator) is generator
    assert ranks[1].own(generator).initial_seed() == ranks[1].seed(3) != 3


def test_each_process_takes_its_own_device() -> None:
    started = {"WORLD_SIZE": "2", "LOCAL_RANK": "1"}

    assert own_device("cuda", started) == "cuda:1"
    assert own_device("cpu", started) == "cpu"
    assert own_device("cuda:0", {}) == "cuda:0"
    with pytest.raises(UsageError, match="each process takes a GPU of its own"):
        own_device("cuda:0", started)
