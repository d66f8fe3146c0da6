"""Entity tags, byte ranges, compressed text, HEAD and OPTIONS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicomnode.web.dicomweb.multipart import FileRange, Part, collected
from tests.unit.web.conftest import Client, Store, file_bytes

STUDY = "/dicom-web/studies/1.2.1"
INSTANCE = f"{STUDY}/series/1.2.1.1/instances/1.2.1.1.1"
PIXELS = np.arange(24, dtype="<u2").tobytes()
READABLE = [
    *(STUDY, INSTANCE, f"{STUDY}/metadata", f"{INSTANCE}/frames/1", f"{INSTANCE}/rendered", f"{STUDY}/thumbnail"),
    *(f"{INSTANCE}/bulkdata/7FE00010", f"{STUDY}/pixeldata", f"{STUDY}/bulkdata"),
]


@pytest.mark.parametrize("path", READABLE)
def test_what_a_client_has_is_not_sent_again(client: Client, store: Store, path: str) -> None:
    store()
    first = client.get(path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert client.get(path).content == first.content  # a strong tag means the same bytes
    for known in (tag, f'"other", {tag}', f"W/{tag}", f'{tag[:-1].removesuffix("-gzip")}-gzip"', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"].replace("-gzip", "") == tag.replace("-gzip", "")
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_tag_changes_with_what_is_there_and_how_it_is_asked_for(client: Client, store: Store) -> None:
    store()
    plain = {"Accept": "application/dicom"}
    tags = {client.get(f"{STUDY}/metadata").headers["etag"], client.get(INSTANCE, headers=plain).headers["etag"]}
    tags.add(client.get(INSTANCE).headers["etag"])
    store(number=2)
    tags.add(client.get(f"{STUDY}/metadata").headers["etag"])
    assert len(tags) == 4


@pytest.mark.parametrize("path", READABLE)
def test_head_tells_the_same_without_content(client: Client, store: Store, path: str) -> None:
    store()
    full, head = client.get(path), client.request("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length"):
        assert head.headers.get(name) == full.headers.get(name)


def test_announced_length_is_true(client: Client, store: Store) -> None:
    for number in (1, 2, 3):
        store(number=number)
    answer = client.get(STUDY)
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", PIXELS[:10]),
        ("bytes=40-", PIXELS[40:]),
        ("bytes=-8", PIXELS[-8:]),
        ("bytes=-800", PIXELS),
        ("bytes=46-900", PIXELS[46:]),
    ],
)
def test_ranges_of_bulk_data(client: Client, store: Store, asked: str, expected: bytes) -> None:
    store()
    answer = client.get(f"{INSTANCE}/bulkdata/7FE00010", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, expected)
    first = len(PIXELS) - len(expected) if not asked.startswith("bytes=0") else 0
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/48"


@pytest.mark.parametrize("asked", ["bytes=48-", "bytes=9-3", "bytes=-0"])
def test_ranges_behind_the_end_are_416(client: Client, store: Store, asked: str) -> None:
    store()
    answer = client.get(f"{INSTANCE}/bulkdata/7FE00010", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */48"


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "frames=1-2", "bytes=-", "bytes=x-"])
def test_other_ranges_are_answered_with_the_whole(client: Client, store: Store, asked: str) -> None:
    store()
    answer = client.get(f"{INSTANCE}/bulkdata/7FE00010", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, PIXELS)


def test_a_range_of_something_older_is_the_whole_new_one(client: Client, store: Store) -> None:
    dataset = store()
    headers = {"Accept": "application/dicom", "Range": "bytes=128-131"}
    assert client.get(INSTANCE, headers=headers).content == b"DICM"
    older = {**headers, "If-Range": '"older"'}
    assert client.get(INSTANCE, headers=older).content == file_bytes(dataset)


def raw(client: Client, path: str, encoding: str) -> tuple[str, str]:
    """Content-Encoding, and the tag."""
    answer = client.get(path, headers={"Accept-Encoding": encoding})
    return answer.headers.get("content-encoding", ""), answer.headers.get("etag", "")


def test_text_is_compressed_where_the_client_takes_it(client: Client, store: Store) -> None:
    for number in range(1, 6):
        store(number=number)
    plain = client.get(f"{STUDY}/metadata", headers={"Accept-Encoding": "identity"})
    packed = client.get(f"{STUDY}/metadata", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert packed.headers["etag"] == f'{plain.headers["etag"][:-1]}-gzip"'
    assert "Accept-Encoding" in packed.headers["vary"]
    assert raw(client, f"{STUDY}/metadata", "gzip;q=0")[0] == ""
    assert raw(client, f"{STUDY}/instances", "gzip")[0] == "gzip"
    assert raw(client, "/static/style.css", "gzip")[0] == "gzip"


@pytest.mark.parametrize("path", [STUDY, INSTANCE, f"{INSTANCE}/frames/1", f"{INSTANCE}/rendered", "/"])
def test_pixels_and_pages_are_not_compressed(client: Client, store: Store, path: str) -> None:
    store(PixelData=bytes(60_000), Rows=100, Columns=300)
    assert raw(client, path, "gzip")[0] == ""


def test_long_pieces_are_compressed_whole(client: Client, store: Store) -> None:
    for number in range(1, 9):
        store(number=number, ImageComments="x" * 10_000)
    answer = client.get(f"{STUDY}/metadata", headers={"Accept-Encoding": "gzip"})
    assert [item["00204000"]["Value"] for item in answer.json()] == [["x" * 10_000]] * 8
    assert len(answer.content) > 80_000


def test_files_are_given_out_in_pieces(tmp_path: Path) -> None:
    """Whatever their size; one that is shorter than it was ends the answer."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 20_000)
    parts = [Part("application/dicom", "here", FileRange(path, 0, 5_120_000))] * 3
    sizes = [len(piece) for piece in collected(piece for part in parts for piece in part.pieces())]
    assert sum(sizes) == 3 * 5_120_000
    assert max(sizes) <= 2 * 1024 * 1024
    with pytest.raises(EOFError):
        list(FileRange(path, 5_000_000, 200_000).pieces())


def test_options_name_the_methods(client: Client) -> None:
    assert client.request("OPTIONS", "/dicom-web/studies").headers["allow"] == "GET, OPTIONS, POST"
    assert client.request("OPTIONS", INSTANCE).headers["allow"] == "GET, HEAD, OPTIONS"
