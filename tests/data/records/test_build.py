"""The index of folders, globs, files, gs:// and several of them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.records.made import GOLDEN, SAMPLE, frame_record, video_record
from yt8m.data.records.build import build_index, find_duplicates, left_out
from yt8m.data.records.features import decode_context
from yt8m.data.records.tfrecord import RecordWriter, map_file, read_payload
from yt8m.data.records.video_index import read_index
from yt8m.errors import InputError, RecordError
from yt8m.loader import FrameSampling, RecordReader


def write(path: Path, records: list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


def test_the_sample_is_indexed_and_its_records_are_found(tmp_path: Path) -> None:
    result = build_index([str(SAMPLE / "train")], tmp_path / "index.parquet", threads=2)
    index = read_index(tmp_path / "index.parquet")
    assert (result["videos"], result["labels"], result["shards"], result["level"]) == (1787, 5442, 6, "video")
    assert result["bytes"] == sum(path.stat().st_size for path in (SAMPLE / "train").iterdir())
    assert (result["simulated"], result["skipped"], result["duplicates"]["videos"]) == (False, [], 0)
    assert result["fingerprint"] == index.fingerprint()
    assert [shard.records for shard in index.shards] == [284, 305, 313, 300, 284, 301]
    for row in np.random.default_rng(0).integers(len(index), size=50):
        shard = map_file(Path(index.source_root) / index.shards[index.shard_numbers[row]].name)
        payload = read_payload(shard, int(index.offsets[row]), int(index.lengths[row]))
        context = decode_context(payload)
        assert context.video_id == index.video_ids[row]
        assert context.labels.tolist() == index.labels_of(row).tolist()


def test_sources_of_every_kind_give_the_same_index_once_each(tmp_path: Path) -> None:
    folder = SAMPLE / "train"
    sources = [[str(folder)], [f"{folder}/*.tfrecord"], [f"{folder}/*00[012].tfrecord", f"{folder}/*00[2345].tfrecord"],
               [*map(str, sorted(folder.iterdir(), reverse=True)), str(folder)]]  # fmt: skip
    results = [build_index(source, tmp_path / f"{n}.parquet", threads=n + 1) for n, source in enumerate(sources)]
    assert all(result == results[0] for result in results)
    assert len({(tmp_path / f"{n}.parquet").read_bytes() for n in range(len(sources))}) == 1, "the same bytes"
    assert build_index(sources[0], tmp_path / "verified.parquet", verify=True) == results[0]


def test_shards_are_named_below_the_common_folder_or_a_given_one(tmp_path: Path) -> None:
    one, two = (write(tmp_path / "data" / name / "0.tfrecord", [video_record(name.encode())]) for name in ("a", "b"))
    build_index([str(two), str(one)], tmp_path / "index.parquet")
    index = read_index(tmp_path / "index.parquet")
    assert index.source_root == str(tmp_path / "data")
    assert [shard.name for shard in index.shards] == ["a/0.tfrecord", "b/0.tfrecord"]
    assert index.video_ids.tolist() == [b"a", b"b"]
    build_index([str(one)], tmp_path / "index.parquet", source_root=str(tmp_path))
    assert read_index(tmp_path / "index.parquet").shards[0].name == "data/a/0.tfrecord"
    with pytest.raises(InputError, match="lies outside the source root"):
        build_index([str(one)], tmp_path / "index.parquet", source_root=str(tmp_path / "data" / "b"))


def test_an_index_moves_with_its_data(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "validate", tmp_path / "copy")
    here = build_index([str(SAMPLE / "validate")], tmp_path / "here.parquet")
    there = build_index([str(tmp_path / "copy")], tmp_path / "there.parquet")
    assert here["fingerprint"] == there["fingerprint"]


def test_the_2017_edition_and_the_test_partition(tmp_path: Path) -> None:
    build_index([f"{GOLDEN}/2017-*.tfrecord"], tmp_path / "index.parquet")
    index = read_index(tmp_path / "index.parquet")
    assert index.video_ids.tolist()[:1] == [b"100273987"]
    assert index.labels_per_video.tolist()[:3] == [0, 0, 0]
    assert index.labels_of(3).tolist() == [0, 1033]


def test_levels_are_not_mixed_and_simulated_shards_are_known(tmp_path: Path) -> None:
    frames = write(tmp_path / "a-simulated.tfrecord", [frame_record()])
    write(tmp_path / "b.tfrecord", [video_record()])
    assert build_index([str(frames)], tmp_path / "index.parquet")["simulated"]
    assert read_index(tmp_path / "index.parquet").simulated
    with pytest.raises(InputError, match=r"b.tfrecord: it is video level, other shards are frame level"):
        build_index([str(tmp_path)], tmp_path / "index.parquet")


def test_duplicates_are_reported(tmp_path: Path) -> None:
    write(tmp_path / "a.tfrecord", [video_record(b"one"), video_record(b"two"), video_record(b"one")])
    write(tmp_path / "b.tfrecord", [video_record(b"one"), video_record(b"three"), video_record(b"two")])
    result = build_index([str(tmp_path)], tmp_path / "index.parquet")
    assert result["duplicates"] == {
        "videos": 2,
        "records": 5,
        "examples": [{"video_id": "one", "rows": [0, 2, 3]}, {"video_id": "two", "rows": [1, 5]}],
    }
    index = read_index(tmp_path / "index.parquet")
    assert find_duplicates(index.take(np.array([0, 1, 4])))["videos"] == 0
    assert find_duplicates(index.take(np.array([], np.int64)))["records"] == 0


def test_bad_records_stop_or_are_listed(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "validate", tmp_path / "data")
    data = bytearray((tmp_path / "data" / "validate0051.tfrecord").read_bytes())
    data[12 + 20] ^= 1
    (tmp_path / "data" / "validate0051.tfrecord").write_bytes(data[:-100])
    with pytest.raises(RecordError, match=r"validate0051.tfrecord: record 0 at byte 0: the record is damaged"):
        build_index([str(tmp_path / "data")], tmp_path / "index.parquet")
    assert not (tmp_path / "index.parquet").exists()
    result = build_index([str(tmp_path / "data")], tmp_path / "index.parquet", skip_bad_records=True)
    assert result["videos"] == 566 - 2
    assert [(Path(entry["file"]).name, entry["record"]) for entry in result["skipped"]] == [
        ("validate0051.tfrecord", 0), ("validate0051.tfrecord", 281),
    ]  # fmt: skip
    index = read_index(tmp_path / "index.parquet")
    good = int(index.lengths.sum(dtype=np.int64)) + 16 * len(index)
    assert good + sum(entry["bytes"] for entry in result["skipped"]) == result["bytes"]


def test_nothing_good_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.tfrecord").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"none of 1 shards holds a good record; the first: .*a.tfrecord: record 0"):
        build_index([str(tmp_path)], tmp_path / "index.parquet", skip_bad_records=True)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"holds no \*.tfrecord"):
        build_index([str(tmp_path / "folder")], tmp_path / "index.parquet")
    with pytest.raises(InputError, match="no source is given"):
        build_index([], tmp_path / "index.parquet")


def test_a_label_list_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("VideoId,Labels\nabcd,1 5\nefgh,\n")
    result = build_index([str(tmp_path / "labels.csv")], tmp_path / "index.parquet")
    assert (result["videos"], result["labels"], result["shards"], result["level"]) == (2, 2, 0, "labels")
    with pytest.raises(InputError, match="indexed alone"):
        build_index([str(tmp_path / "labels.csv"), str(SAMPLE / "train")], tmp_path / "index.parquet")


def test_objects_on_gs(tmp_path: Path, gcs: Any) -> None:
    from yt8m.storage import cloud

    shards = {}
    for name, count in (("a/0.tfrecord", 3), ("a/1.tfrecord", 40)):
        records = [frame_record(b"%s-%d" % (name[2:3].encode(), n), [n], count, seed=n) for n in range(3)]
        shards[name] = write(tmp_path / name, records)
        cloud.upload(shards[name], f"gs://bucket/{name}")
    remote = build_index(["gs://bucket/a"], tmp_path / "remote.parquet")
    local = build_index([str(tmp_path / "a")], tmp_path / "local.parquet")
    assert remote == local
    index = read_index(tmp_path / "remote.parquet")
    assert index.source_root == "gs://bucket/a"
    assert [shard.name for shard in index.shards] == ["0.tfrecord", "1.tfrecord"]
    generations, crcs = zip(*index.extra["objects"], strict=True)
    assert all(generations)
    assert crcs == tuple(cloud.checksum(path.read_bytes()) for path in shards.values())


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(tmp_path: Path, threads: int) -> None:
    build_index([str(SAMPLE / "train")], tmp_path / "default.parquet")
    build_index([str(SAMPLE / "train")], tmp_path / "index.parquet", threads=threads)
    assert (tmp_path / "index.parquet").read_bytes() == (tmp_path / "default.parquet").read_bytes()


@pytest.mark.parametrize("source", ["frame level", "video level", "record by record", "label list"])
def test_a_label_that_a_record_lists_again_is_indexed_once_and_counted(tmp_path: Path, source: str) -> None:
    lists = {b"aaaa": [7, 7, 3, 7], b"bbbb": [3], b"cccc": [], b"dddd": [9, 2, 9]}
    if source == "label list":
        (tmp_path / "a.csv").write_text("\n".join(
            ["VideoId,Labels", *(f"{name.decode()},{' '.join(map(str, labels))}" for name, labels in lists.items())]
        ))  # fmt: skip
        path = tmp_path / "a.csv"
    else:
        path = tmp_path / "a.tfrecord"
        make = video_record if source == "video level" else frame_record
        more = {} if source == "video level" else {"extra": [("other", b"")]} if source == "record by record" else {}
        with RecordWriter(path) as writer:
            for name, labels in lists.items():
                writer.write(make(name, labels, **more))
    result = build_index([str(path)], tmp_path / "i.parquet")
    index = read_index(tmp_path / "i.parquet")
    assert [index.labels_of(row).tolist() for row in range(4)] == [[7, 3], [3], [], [9, 2]]
    assert result["labels"] == 5
    examples = [{"video_id": "aaaa", "label": 7}, {"video_id": "dddd", "label": 9}]
    assert result["repeated_labels"] == {"labels": 3, "records": 2, "examples": examples}
    assert left_out(result) == [
        "3 labels that a record lists again, in 2 records, are indexed once: aaaa (label 7), dddd (label 9)"
    ]


def test_leaving_bad_records_out_finds_what_an_index_of_heads_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    with RecordWriter(path) as writer:
        offsets = [writer.write(frame_record(b"id%02d" % number, [number])) for number in range(4)]
    data = bytearray(path.read_bytes())
    data[offsets[2] + 3000] ^= 4
    path.write_bytes(data)
    build_index([str(path)], tmp_path / "heads.parquet")
    with pytest.raises(RecordError, match=r"record 2 .*damaged.*\(`yt8m index` and .*: --skip-bad-records\)"):
        read_all(tmp_path / "heads.parquet")
    result = build_index([str(path)], tmp_path / "i.parquet", skip_bad_records=True)
    assert [entry["record"] for entry in result["skipped"]] == [2]
    assert read_index(tmp_path / "i.parquet").video_ids.tolist() == [b"id00", b"id01", b"id03"]
    assert read_all(tmp_path / "i.parquet") == 3


def read_all(path: Path) -> int:
    index = read_index(path)
    reader = RecordReader(index, num_classes=10)
    return len(reader.read(np.arange(len(index)), FrameSampling("all", 300)).rows)
