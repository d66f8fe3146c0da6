from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from dicomnode.dicom.decoding import stored_frames
from dicomnode.errors import PixelError
from tests.factories import make_instance, ramp, write_instance

PICTURES = {
    "8 bits": ramp(64, 70, np.uint8),
    "16 bits": ramp(64, 70) * np.uint16(14),
    "signed": ramp(64, 70).astype(np.int16) - np.int16(2000),
    "colour": np.random.default_rng(1).integers(0, 256, (64, 70, 3), np.uint8),
    "frames": np.stack([ramp(64, 70), ramp(64, 70) + np.uint16(5), ramp(64, 70) * np.uint16(3)]),
}
ENCODERS = {RLELossless: "pydicom", JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg"}


def _stored(dataset: FileDataset) -> np.ndarray[Any, Any]:
    frames = list(stored_frames(dataset))
    return np.stack(frames) if len(frames) > 1 else frames[0]


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_native_syntaxes(tmp_path: Path, syntax: str, picture: str) -> None:
    file = write_instance(make_instance(pixels=PICTURES[picture], transfer_syntax=syntax), tmp_path)
    assert np.array_equal(_stored(dcmread(file)), PICTURES[picture])


def test_big_endian(tmp_path: Path) -> None:
    dataset = Dataset(make_instance(pixels=PICTURES["16 bits"]))
    dataset.PixelData = PICTURES["16 bits"].astype(">u2").tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dcmwrite(tmp_path / "big.dcm", dataset, enforce_file_format=True)
    assert np.array_equal(_stored(dcmread(tmp_path / "big.dcm")), PICTURES["16 bits"])


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("syntax", ENCODERS)
def test_lossless_syntaxes(tmp_path: Path, syntax: str, picture: str) -> None:
    dataset = make_instance(pixels=PICTURES[picture])
    # GDCM's RLE encoder ends the process on some shapes.
    dataset.compress(syntax, encoding_plugin=ENCODERS[syntax], generate_instance_uid=False)
    file = write_instance(dataset, tmp_path)
    assert np.array_equal(_stored(dcmread(file)), PICTURES[picture])


def test_unused_high_bits_do_not_count() -> None:
    dirty = ramp(4, 4) | np.uint16(0xF000)
    dataset = make_instance(pixels=dirty, BitsStored=12, HighBit=11)
    assert np.array_equal(_stored(dataset), ramp(4, 4))


def test_single_bit_pixels_are_unpacked() -> None:
    bits = np.tile([1, 0, 1, 1, 0, 0, 1, 0], (4, 1)).astype(np.uint8)
    dataset = make_instance(pixels=bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset.PixelData = np.packbits(bits, bitorder="little").tobytes()
    assert np.array_equal(_stored(dataset), bits)


def _damaged(syntax: str, content: bytes = b"\xff\xd8 this is no picture") -> FileDataset:
    dataset = make_instance(pixels=ramp(8, 8, np.uint8))
    dataset.PixelData = encapsulate([content])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless, RLELossless])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_damaged_pixels_are_refused(syntax: str) -> None:
    with pytest.raises(PixelError, match="cannot be decoded"):
        _stored(_damaged(syntax))


def test_damaged_run_lengths_are_refused() -> None:
    dataset = make_instance(pixels=ramp(64, 64))
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    # Each pair of bytes says: 128 times the value 5; together more pixels than there are.
    dataset.PixelData = encapsulate([frame[:64] + b"\x81\x05" * ((len(frame) - 64) // 2)])
    with pytest.raises(PixelError, match="RLE Lossless cannot be decoded") as caught:
        _stored(dataset)
    assert "panic" in type(caught.value.__cause__).__name__.lower()


def test_a_syntax_without_decoder_is_named() -> None:
    with pytest.raises(PixelError, match=r"MPEG2 .* no decoder"):
        _stored(_damaged(MPEG2MPML))


def test_truncated_native_pixels_are_refused() -> None:
    dataset = make_instance()
    dataset.PixelData = dataset.PixelData[:-10]
    with pytest.raises(PixelError, match="truncated"):
        _stored(dataset)


@pytest.mark.filterwarnings("ignore:End of file reached:UserWarning")
def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    dataset = make_instance()
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    file = write_instance(dataset, tmp_path)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(PixelError, match="no integer pixel data: it is truncated"):
        _stored(dcmread(file))


def test_missing_frames_are_refused() -> None:
    dataset = make_instance(pixels=PICTURES["frames"])
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    dataset.NumberOfFrames = 4
    with pytest.raises(PixelError, match=r"cannot be decoded|truncated"):
        _stored(dataset)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_an_impossible_number_of_frames_is_refused() -> None:
    dataset = make_instance()
    dataset.NumberOfFrames = -2
    with pytest.raises(PixelError, match="Number of Frames is -2"):
        _stored(dataset)


def test_a_missing_attribute_is_refused() -> None:
    with pytest.raises(PixelError, match="cannot be decoded"):
        _stored(make_instance(Rows=None))
