"""Records and files of other kinds under a shard's name: what they are is said, and what helps."""

import bz2
import gzip
import json
import lzma
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.records.made import (
    SAMPLE,
    bytes_feature,
    field,
    float_feature,
    frame_list,
    frame_record,
    int_feature,
    mapping,
    video_record,
)
from yt8m.cli import main
from yt8m.data.records.tfrecord import RecordWriter

SHARD = SAMPLE / "validate" / "validate0050.tfrecord"
BYTES = np.arange(128, dtype=np.uint8)
FLOATS = field(1, float_feature(np.arange(1024.0))) * 2


def sequence(context: list[tuple[str, bytes]], lists: list[tuple[str, bytes]]) -> bytes:
    return field(1, mapping(context)) + field(2, mapping(lists))


ID, ONE = ("id", bytes_feature(b"abcd")), ("labels", int_feature([1]))
RGB, AUDIO = ("rgb", frame_list(np.zeros((3, 1024), np.uint8))), ("audio", frame_list(np.zeros((3, 128), np.uint8)))
RECORDS = {
    "AudioSet": (
        sequence([("video_id", bytes_feature(b"abc")), ONE], [("audio_embedding", frame_list(BYTES[None]))]),
        "it has neither frames .* nor means .*; found: labels (1 whole numbers), video_id (3 bytes), "
        "audio_embedding (1 frames of 128 bytes); wanted: id (or video_id) and labels, with frames of rgb (1024 bytes",
    ),
    "MediaPipe": (
        sequence([("clip/data_id", bytes_feature(b"abcd"))], [("RGB/feature/floats", FLOATS)]),
        "it has no id; found: clip/data_id (4 bytes), RGB/feature/floats (2 frames of 1,024 floats); wanted: ",
    ),
    "no audio": (sequence([ID, ONE], [RGB]), "it has no audio frames; found: id (4 bytes), labels (1 whole n"),
    "no rgb": (sequence([ID, ONE], [AUDIO]), "it has no rgb frames; found: "),
    "wide frames": (
        sequence([ID, ONE], [("rgb", frame_list(np.zeros((2, 2048), np.uint8))), AUDIO]),
        "its rgb frame 0 is not 1024 bytes; found: .*rgb (2 frames of 2,048 bytes)",
    ),
    "frames of floats": (sequence([ID, ONE], [("rgb", FLOATS), AUDIO]), "its rgb frame 0 .*rgb (2 frames of 1,024 flo"),
    "narrow means": (
        video_record(mean_rgb=np.zeros(512)), "its mean_rgb has 512 floats, not 1024; found: .*mean_rgb (512 floats)",
    ),
    "labels that are texts": (
        sequence([ID, ("labels", bytes_feature(b"Car"))], [RGB, AUDIO]),
        "its labels are not whole numbers; found: .*labels (3 bytes)",
    ),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(90), "it is not a protobuf record; found: 98 bytes of another form"),
    "nothing": (field(1, b""), "it has no id; found: no feature"),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_another_kind_says_what_was_found_and_what_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    record, says = RECORDS[name]
    with RecordWriter(tmp_path / "a.tfrecord") as writer:
        writer.write(record)
    assert main(["index", str(tmp_path), "-o", str(tmp_path / "i.parquet")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    at = 0
    for part in says.split(".*"):
        at = line.index(part, at) + len(part)
    assert "give shards of YouTube-8M's records" in line
    assert "fetch the shard again" not in line
    with RecordWriter(tmp_path / "a.tfrecord") as writer:
        writer.write(record)
        writer.write(frame_record(b"good"))
    assert main(["index", str(tmp_path), "-o", str(tmp_path / "i.parquet"), "--skip-bad-records", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["videos"], len(result["skipped"])) == (1, 1), "one such record among others can be left out"


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    return bytes(sink.getvalue())


FILES = {
    "gzip": (gzip.compress(SHARD.read_bytes()), "gzip-compressed; unpack it with `gunzip`"),
    "zlib": (zlib.compress(SHARD.read_bytes()), "zlib-compressed; write it again without compression"),
    "bzip2": (bz2.compress(SHARD.read_bytes()[:9999]), "bzip2-compressed; unpack it with `bunzip2`"),
    "xz": (lzma.compress(SHARD.read_bytes()[:9999]), "xz-compressed; unpack it with `unxz`"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "HTML or XML, as a server's answer"),
    "HTML": (b"\n<!DOCTYPE html><html>404 \xc3\xa4</html>", "HTML or XML, as a server's answer to a failed download"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer, .*`git lfs pull`"),
    "Parquet": (parquet(), "is a Parquet file; give the TFRecord shards"),
    "text": (b"VideoId,Labels\nabcd,1 2\n", "is text; give the TFRecord shards; a list of VideoId,Labels has a name"),
    "JSON": (b'{"error": "not found"}', "is text; give the TFRecord shards"),
    "empty": (b"", "is empty; fetch the shard again"),
    "zeros": (bytes(5000), "begins with zeros, as a download that did not come to its end; fetch the shard again"),
}


@pytest.mark.parametrize("command", ["index", "simulate"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_called_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    content, says = FILES[name]
    (tmp_path / "a.tfrecord").write_bytes(content)
    assert main([command, str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"yt8m: error: {tmp_path / 'a.tfrecord'}: record 0 at byte 0: the file ")
    at = 0
    for part in says.split(".*"):
        at = line.index(part, at) + len(part)
    assert "--skip-bad-records" not in line, "leaving the whole file out is no remedy"
