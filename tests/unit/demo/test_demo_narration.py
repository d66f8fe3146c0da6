"""What the demo says, on a terminal and elsewhere."""

from io import StringIO

from rich.console import Console

from dicomnode.demo.narration import Narrator


def test_plain_lines_where_there_is_no_terminal() -> None:
    written = StringIO()
    narrator = Narrator(Console(file=written, width=30))
    with narrator.working("busy"):
        narrator.say("a line that is longer than the thirty columns of this console [0028,0010]")
    narrator.tell("done", "bold")
    first, second = written.getvalue().splitlines()
    assert first.endswith(" s  a line that is longer than the thirty columns of this console [0028,0010]")
    assert second == "done"


def test_a_terminal_gets_colours() -> None:
    written = StringIO()
    narrator = Narrator(Console(file=written, force_terminal=True))
    with narrator.working("busy"):
        narrator.tell("done", "bold")
    assert "\x1b[1mdone" in written.getvalue()
