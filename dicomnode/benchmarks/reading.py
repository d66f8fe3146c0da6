"""What it takes from a series' files to a tensor of modality values, beside other readers of the same files."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gdcm
import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicomnode.benchmarks.studies import CT, Shape, pixels_of, write_study
from dicomnode.dicom.header import read_header
from dicomnode.errors import DicomNodeError
from dicomnode.inference.decoding.processes import DecodingProcesses
from dicomnode.inference.frame_reader import FrameReader
from dicomnode.inference.opening import open_series
from dicomnode.inference.reading import read_parts
from dicomnode.learning.benchmarks.readers import monai_reader
from dicomnode.study import Instance, Series

Volume = npt.NDArray[np.float32]
Reader = Callable[[], object]
COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1)
_PLUGINS = {RLELossless: "pylibjpeg", JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg"}
NODE = "node"


@dataclass(frozen=True, slots=True)
class ReadingTimes:
    """One reader of one series.

    Attributes:
        name: Of the reader.
        seconds: Of each repetition.
    """

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True, slots=True)
class SeriesTimes:
    """All readers of one series, which took turns.

    Attributes:
        transfer_syntax: Name of it.
        slices: How many.
        readers: The node's first.
    """

    transfer_syntax: str
    slices: int
    readers: tuple[ReadingTimes, ...]


def measure_reading(
    folder: Path, shape: tuple[int, int], compressed: int, repeats: int, progress: Callable[[str], None]
) -> list[SeriesTimes]:
    """Read a CT uncompressed and a shorter one in each compressed transfer syntax.

    Args:
        folder: The files are written there.
        shape: Slices of the uncompressed series; rows and columns of each slice.
        compressed: Slices of the others; 0 leaves them out.
        repeats: Of each reader, by turns.
        progress: Told what is done.

    Raises:
        DicomNodeError: The readers do not agree about the pixels.
    """
    found = []
    slices, rows = shape
    with closing(DecodingProcesses(1)) as one, closing(DecodingProcesses(2)) as two:
        for syntax in (ExplicitVRLittleEndian, *(COMPRESSED if compressed else ())):
            count = slices if syntax == ExplicitVRLittleEndian else compressed
            progress(f"{syntax.name}: writing {count} slices")
            paths = _write(folder / str(syntax), Shape(CT, count, rows, rows), syntax)
            found.append(_measure(_readers(paths, syntax, one, two), (syntax.name, count), repeats, progress))
            shutil.rmtree(folder / str(syntax))
    return found


def _measure(
    readers: Mapping[str, Reader], what: tuple[str, int], repeats: int, progress: Callable[[str], None]
) -> SeriesTimes:
    times: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(repeats):
        progress(f"{what[0]}: {turn + 1} of {repeats}")
        for name in list(readers)[:: 1 if turn % 2 == 0 else -1]:
            started = time.perf_counter()
            readers[name]()
            times[name].append(time.perf_counter() - started)
    return SeriesTimes(*what, tuple(ReadingTimes(name, tuple(seconds)) for name, seconds in times.items()))


def _readers(
    paths: Sequence[Path], syntax: UID, one: DecodingProcesses, two: DecodingProcesses
) -> Mapping[str, Reader]:
    series = _series(paths)
    readers: dict[str, Reader] = {NODE: lambda: read_parts(series, two)}
    if syntax.is_encapsulated:
        readers = {
            "node, 2 processes": lambda: read_parts(series, two),
            "node, 1 process": lambda: read_parts(series, one),
            "node, in its own process": lambda: read_parts(series),
        }
    readers["node, slice after slice"] = lambda: _one_by_one(series, two)
    readers["pydicom"] = lambda: _by_pydicom(paths)
    readers["MONAI LoadImage"] = monai_reader(paths[0].parent)
    if importlib.util.find_spec("SimpleITK"):
        readers["SimpleITK"] = partial(_by_simpleitk, paths)
    if shutil.which("dcm2niix"):
        with suppress(subprocess.CalledProcessError):  # built without the decoder that this syntax needs
            _by_dcm2niix(paths[0].parent)
            readers["dcm2niix"] = lambda: _by_dcm2niix(paths[0].parent)
    _check(readers, read_parts(series).images[0].data.numpy()[0])
    return readers


def _check(readers: Mapping[str, Reader], expected: Volume) -> None:
    """Compare every reader that gives an array with the node; the files are in the page cache then."""
    for name, reader in readers.items():
        found = reader()
        if isinstance(found, np.ndarray) and not np.array_equal(np.moveaxis(found, 0, -1), expected):
            raise DicomNodeError(f"{name} gives other pixels than the node: one of them is wrong")


def _one_by_one(series: Series, decoders: DecodingProcesses) -> None:
    (image,) = open_series(series).images
    for _ in FrameReader(decoders).read_all(image.slices):
        pass


def _by_pydicom(paths: Sequence[Path]) -> Volume:
    """As one writes it first."""
    images = sorted(map(dcmread, paths), key=lambda image: float(image.ImagePositionPatient[2]))
    return np.stack(
        [image.pixel_array.astype(np.float32) * image.RescaleSlope + image.RescaleIntercept for image in images],
        dtype=np.float32,
        casting="unsafe",
    )


def _by_simpleitk(paths: Sequence[Path]) -> Volume:
    itk = importlib.import_module("SimpleITK")
    reader = itk.ImageSeriesReader()
    reader.SetFileNames(list(map(str, paths)))
    reader.SetOutputPixelType(itk.sitkFloat32)
    volume: Volume = itk.GetArrayFromImage(reader.Execute())
    return volume


def _by_dcm2niix(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as out:
        command = ["dcm2niix", "-z", "n", "-b", "n", "-o", out, str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _write(folder: Path, shape: Shape, syntax: UID) -> list[Path]:
    paths = [document.path for document in write_study(shape, pixels_of(shape), f"reading {syntax}", folder)]
    for path in paths if syntax != ExplicitVRLittleEndian else ():
        if syntax in _PLUGINS:
            dataset = dcmread(path)
            dataset.compress(syntax, encoding_plugin=_PLUGINS[syntax], generate_instance_uid=False)
            dataset.save_as(path)
        else:
            _compress_by_gdcm(path)
    return paths


def _compress_by_gdcm(path: Path) -> None:
    """JPEG Lossless, which no encoder of pydicom's writes."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    if not reader.Read():
        raise DicomNodeError("GDCM cannot read the slice that is to be compressed")
    change.SetInput(reader.GetImage())
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    if not change.Change():
        raise DicomNodeError("GDCM cannot compress the slice")
    writer.SetImage(change.GetOutput())
    writer.Write()


def _series(paths: Sequence[Path]) -> Series:
    header = read_header(paths[0])
    return Series(
        header.series_instance_uid,
        header.study_instance_uid,
        header.modality,
        header.series_description,
        header.body_part_examined,
        header.series_number,
        tuple(map(_instance, paths)),
    )


def _instance(path: Path) -> Instance:
    header = read_header(path)
    return Instance(
        header.sop_instance_uid,
        header.sop_class_uid,
        header.series_instance_uid,
        header.study_instance_uid,
        header.transfer_syntax_uid,
        path,
        "",
        header.modality,
        header.instance_number,
        header.number_of_frames,
    )
