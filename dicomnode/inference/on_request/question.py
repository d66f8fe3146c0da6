"""What the process is started with, and what it is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Start:
    """How the process works, from its first argument, as JSON.

    Attributes:
        socket: File descriptor of its end of the socket.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: Images in one forward pass.
        deterministic: Scores repeat bit for bit.
        ae_title: Of the node.
        idle_seconds: It ends when nobody asked for so long.
        memory_mib: Memory of its own that it may take on a CPU.
    """

    socket: int
    device: str
    batch_size: int
    deterministic: bool
    ae_title: str
    idle_seconds: float
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a model. The files come beside it, one behind the other in one nameless file.

    Attributes:
        bundle: Folder of the bundle.
        digest: The digest that was approved.
        lengths: Bytes of each file.
        most_pixels: That all images of a file, and all DICOM files together, may hold.
        seconds: The process is ended by the kernel if it works longer.
        spacing: Distance between the pixels of pictures, mm, for a model of tiles.
        of_class: Name of the class that Grad-CAM is wanted of; None: the one with the highest score.
        grad_cam: Whether it is wanted at all.
        pictures: Whether the images are wanted back, for the screen.
        masks: Whether masks of lesions are wanted as pictures.
    """

    bundle: str
    digest: str
    lengths: tuple[int, ...]
    most_pixels: int
    seconds: float
    spacing: float | None = None
    of_class: str | None = None
    grad_cam: bool = True
    pictures: bool = False
    masks: bool = False
