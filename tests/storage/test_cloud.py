"""gs:// through the real client, against an emulator that enforces preconditions and misbehaves on request."""

import functools
import gzip
import http.client
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from google.cloud.storage import Client as gcs_client
from google.oauth2.credentials import Credentials

from yt8m import storage
from yt8m.errors import InputError
from yt8m.storage import cloud, google_calls

SHARD = os.urandom(50_000)


def put(name: str, data: bytes, folder: Path) -> str:
    (folder / "local").write_bytes(data)
    cloud.upload(folder / "local", f"gs://bucket/{name}")
    return f"gs://bucket/{name}"


def test_what_is_written_is_read_back(gcs, tmp_path: Path) -> None:
    with storage.atomic_file("gs://bucket/a/model.bin") as local:
        local.write_bytes(SHARD)
    assert storage.read_bytes("gs://bucket/a/model.bin") == SHARD
    assert storage.read_range("gs://bucket/a/model.bin", 100, 300) == SHARD[100:400]
    assert storage.stage("gs://bucket/a/model.bin", tmp_path).read_bytes() == SHARD
    storage.write_json("gs://bucket/a/x.json", {"gap": 0.5})
    assert storage.read_json("gs://bucket/a/x.json") == {"gap": 0.5}
    assert storage.exists("gs://bucket/a/x.json")
    storage.delete("gs://bucket/a/x.json")
    storage.delete("gs://bucket/a/x.json")
    assert not storage.exists("gs://bucket/a/x.json")


def test_a_large_file_goes_up_in_a_resumable_upload(gcs, tmp_path: Path) -> None:
    data = os.urandom(9 << 20)
    for kind in ("503", "408", "401", "reset"):
        gcs.fault(kind, "PUT", "upload_id", count=1)
        gcs.fault(kind, "POST", "uploadType=resumable", count=1)
    address = put("big", data, tmp_path)
    assert storage.read_bytes(address) == data
    assert any("uploadType=resumable" in entry["path"] for entry in gcs.log())


def test_a_failed_block_uploads_nothing(gcs) -> None:
    with pytest.raises(RuntimeError), storage.atomic_file("gs://bucket/x") as local:
        local.write_bytes(b"half")
        raise RuntimeError
    assert not storage.exists("gs://bucket/x")


def test_listings_are_paged_sorted_and_carry_generation_and_crc(gcs, tmp_path: Path) -> None:
    for number in (2, 0, 1):
        put(f"2/frame/train{number}.tfrecord", SHARD, tmp_path)
    put("2/frame/notes.txt", b"", tmp_path)
    put("2/frame/deeper/train9.tfrecord", SHARD, tmp_path)
    for source in ("gs://bucket/2/frame", "gs://bucket/2/frame/", "gs://bucket/2/*/train?.tfrecord"):
        files = storage.list_files(source)
        assert [file.path for file in files] == [f"gs://bucket/2/frame/train{number}.tfrecord" for number in range(3)]
    assert files[0].size == len(SHARD)
    assert files[0].crc32c == cloud.checksum(SHARD)
    assert files[0].generation
    one = storage.list_files("gs://bucket/2/frame/train1.tfrecord")
    assert [file.path for file in one] == ["gs://bucket/2/frame/train1.tfrecord"]


def test_a_listing_of_more_than_one_page(gcs, tmp_path: Path) -> None:
    for number in range(1003):
        gcs.request("POST", f"/upload/storage/v1/b/bucket/o?uploadType=resumable&name=many/{number:04d}.tfrecord", {})
    connection = http.client.HTTPConnection("127.0.0.1", gcs.port)
    for key in range(1003):
        connection.request(
            "PUT", f"/upload/storage/v1/b/bucket/o?upload_id=upload-{key}", b"x", {"Content-Range": "bytes 0-0/1"}
        )
        connection.getresponse().read()
    connection.close()
    assert len(storage.list_files("gs://bucket/many")) == 1003
    assert sum("pageToken" in entry["path"] for entry in gcs.log()) == 1


@pytest.mark.parametrize("kind", ["401", "408", "429", "503", "short", "reset", "lost"])
def test_reads_survive_what_goes_wrong(gcs, tmp_path: Path, kind: str) -> None:
    address = put("shard", SHARD, tmp_path)
    gcs.fault(kind, "GET", "alt=media", count=2)
    assert storage.read_range(address, 7, 20_000) == SHARD[7:20_007]
    gcs.fault(kind, "GET", "alt=media", count=1)
    assert storage.stage(address, tmp_path / "scratch").read_bytes() == SHARD
    assert os.listdir(tmp_path / "scratch") == ["shard"]
    gcs.fault(kind, "GET", "/o[?]", count=1)
    assert len(storage.list_files("gs://bucket/shar*")) == 1


@pytest.mark.parametrize("kind", ["401", "408", "429", "503", "reset", "lost"])
def test_uploads_survive_too_even_when_the_answer_is_lost(gcs, tmp_path: Path, kind: str) -> None:
    (tmp_path / "f").write_bytes(SHARD)
    gcs.fault(kind, "POST", "upload", count=1)
    generation = cloud.upload(tmp_path / "f", "gs://bucket/f", expected_generation=0)
    present = cloud.describe("gs://bucket/f")
    assert present is not None
    assert present.generation == generation
    assert storage.read_bytes("gs://bucket/f") == SHARD


def _race(folder: Path, expected: int | None) -> list[str]:
    """Two writers of one object at once; what became of each."""
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def write(who: str) -> None:
        (folder / who).write_text(who)
        barrier.wait()
        try:
            cloud.upload(folder / who, "gs://bucket/champion.json", expected)
            outcomes.append("won")
        except cloud.WriteConflict:
            outcomes.append("was told")

    threads = [threading.Thread(target=write, args=(who,)) for who in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_of_two_writers_exactly_one_wins_and_the_other_is_told(gcs, tmp_path: Path) -> None:
    assert _race(tmp_path, expected=0) == ["was told", "won"]
    present = cloud.describe("gs://bucket/champion.json")
    assert present is not None
    assert _race(tmp_path, expected=present.generation) == ["was told", "won"]


def test_without_the_precondition_both_believe_that_they_won(gcs, tmp_path: Path) -> None:
    assert _race(tmp_path, expected=None) == ["won", "won"]


def test_a_reader_of_one_generation_notices_that_the_object_was_replaced(gcs, tmp_path: Path) -> None:
    address = put("shard", SHARD, tmp_path)
    generation = cloud.describe(address).generation
    put("shard", b"something else", tmp_path)
    with pytest.raises(InputError, match="no such object"):
        cloud.read_range(address, 0, 10, generation)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("gs://bucket/nothing", "no object and no"),
        ("gs://bucket/no*thing", "no object and no"),
        ("gs://absent/frame", "no such object or bucket"),
        ("gs:///frame", "the bucket is missing"),
    ],
)
def test_what_is_not_there_is_one_line(gcs, source: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        storage.list_files(source)
    assert "\n" not in str(error.value)


def test_giving_up_names_the_object(gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = put("shard", SHARD, tmp_path)
    monkeypatch.setattr(google_calls, "GIVE_UP_SECONDS", 0.5)
    gcs.fault("503", "GET", "alt=media", count=99)
    with pytest.raises(InputError, match=r"gs://bucket/shard: still failing after 0 s .*503.*; try again"):
        storage.read_range(address, 0, 10)


CALLS: dict[str, Any] = {
    "describe": lambda address, folder: cloud.describe(address),
    "read": lambda address, folder: cloud.read_bytes(address),
    "range": lambda address, folder: cloud.read_range(address, 0, 10),
    "download": lambda address, folder: cloud.download(address, folder / "copy"),
    "upload": lambda address, folder: cloud.upload(folder / "local", address),
    "list": lambda address, folder: cloud.list_objects("gs://bucket/shar*"),
    "list below": lambda address, folder: cloud.list_below("gs://bucket/a"),
    "delete": lambda address, folder: cloud.delete(address),
}
METHODS = {"upload": "POST", "delete": "DELETE"}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_outlives_a_fault_that_passes_and_says_of_any_other_what_it_is(
    gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    address, method = put("shard", SHARD, tmp_path), METHODS.get(call, "GET")
    for kind in ("408", "401"):
        gcs.fault(kind, method)
    CALLS[call](address, tmp_path)
    put("shard", SHARD, tmp_path)
    for kind, says in (
        ("401", r"the identity is refused \(401: .*\); renew it with `gcloud auth application-default login`"),
        ("403", r"access denied \(403 .*injected.*\); give this identity roles/storage\.objectUser on the bucket"),
        ("400", r"refused \(400 .*injected.*\); see that the address is right"),
    ):
        gcs.fault(kind, method, count=google_calls.REFUSALS if kind == "401" else 1)
        with pytest.raises(InputError, match=rf"^gs://bucket/\S+: {says}") as error:
            CALLS[call](address, tmp_path)
        assert "\n" not in str(error.value)
    monkeypatch.setattr(google_calls, "GIVE_UP_SECONDS", 0.2)
    gcs.fault("408", method, count=9)
    with pytest.raises(InputError, match=r"^gs://bucket/\S+: still failing after 0 s \(.*408.*\); try again"):
        CALLS[call](address, tmp_path)


def test_an_answer_that_does_not_come_is_asked_for_again(gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = put("shard", SHARD, tmp_path)
    monkeypatch.setattr(cloud, "TIMEOUT_SECONDS", (1.0, 0.2))
    gcs.fault("slow", "GET", "alt=media", seconds=1)
    assert storage.read_bytes(address) == SHARD
    gcs.fault("slow", "POST", "upload", seconds=1)
    (tmp_path / "f").write_bytes(SHARD)
    cloud.upload(tmp_path / "f", "gs://bucket/f", expected_generation=0)
    assert storage.read_bytes("gs://bucket/f") == SHARD


def test_a_download_that_breaks_off_goes_on_where_it_was(gcs, tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    address = put("shard", data, tmp_path)
    gcs.fault("short", "GET", "alt=media", count=1)
    assert storage.stage(address, tmp_path / "scratch").read_bytes() == data
    ranges = [entry["range"] for entry in gcs.log() if "alt=media" in entry["path"]]
    assert len(ranges) == 2
    assert int(ranges[1].removeprefix("bytes=").partition("-")[0]) > 0


def test_patience_begins_anew_when_something_has_come(gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(1 << 20)
    address = put("shard", data, tmp_path)
    monkeypatch.setattr(google_calls, "GIVE_UP_SECONDS", 0.0)
    gcs.fault("short", "GET", "alt=media", count=3)
    assert storage.stage(address, tmp_path / "scratch").read_bytes() == data
    gcs.fault("503", "GET", "alt=media", count=1)
    with pytest.raises(InputError, match="still failing after 0 s"):
        storage.stage(address, tmp_path / "scratch")


def test_an_object_that_is_replaced_while_its_download_is_broken_off_is_fetched_anew(
    gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = put("shard", os.urandom(1 << 20), tmp_path)
    transfer, go_on = cloud._Transfer, cloud._Transfer._go_on

    def replaced_after_the_first(self: Any) -> None:
        try:
            go_on(self)
        except Exception:
            monkeypatch.setattr(transfer, "_go_on", go_on)
            put("shard", SHARD, tmp_path)
            raise

    monkeypatch.setattr(transfer, "_go_on", replaced_after_the_first)
    gcs.fault("short", "GET", "alt=media", count=1)
    assert storage.stage(address, tmp_path / "scratch").read_bytes() == SHARD


def test_an_object_that_is_stored_compressed_comes_unpacked(gcs, tmp_path: Path) -> None:
    blob = cloud.blob_of("gs://bucket/words.csv")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(b"a,b\n" * 99), content_type="text/csv")
    assert storage.stage("gs://bucket/words.csv", tmp_path).read_bytes() == b"a,b\n" * 99
    assert storage.read_bytes("gs://bucket/words.csv") == b"a,b\n" * 99


@pytest.fixture
def identity(gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client with credentials whose token has to be fetched from the emulator first."""
    asked = f"{gcs.host}/token"
    made = gcs_client(
        project="p", credentials=Credentials(None, refresh_token="r", token_uri=asked, client_id="c", client_secret="s")
    )
    monkeypatch.setattr(cloud, "client", functools.cache(lambda process: made))


@pytest.mark.parametrize("kind", ["503", "408", "reset"])
def test_a_token_service_that_fails_is_asked_again(gcs, identity: None, tmp_path: Path, kind: str) -> None:
    gcs.fault(kind, "POST", "/token", count=1)
    assert storage.read_bytes(put("shard", SHARD, tmp_path)) == SHARD
    gcs.fault("401", "GET", "alt=media", count=1)
    assert storage.read_bytes("gs://bucket/shard") == SHARD


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("reset", r"still failing after 1 s \(.*Connection.*\); try again"),
        ("400", r"the credentials cannot be renewed \(.*\); run `gcloud auth application-default login` again"),
    ],
)
def test_a_token_service_that_goes_on_failing_is_one_line(
    gcs, identity: None, monkeypatch: pytest.MonkeyPatch, kind: str, says: str
) -> None:
    monkeypatch.setattr(google_calls, "GIVE_UP_SECONDS", 1.0)
    gcs.fault(kind, "POST", "/token", count=99)
    with pytest.raises(InputError, match=rf"^gs://bucket/shard: {says}"):
        storage.read_bytes("gs://bucket/shard")


def test_nobody_at_the_address_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_calls, "GIVE_UP_SECONDS", 0.2)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    cloud.client.cache_clear()
    with pytest.raises(InputError, match=r"^gs://bucket/shard: still failing after 0 s \(.*refused.*\); try again"):
        storage.exists("gs://bucket/shard")
    cloud.client.cache_clear()


def test_a_local_copy_is_the_object_and_goes_afterwards(gcs, tmp_path: Path) -> None:
    address = put("a/words.csv", b"a,b\n", tmp_path)
    with storage.local_copy(address) as path:
        assert (path.name, path.read_bytes()) == ("words.csv", b"a,b\n")
    assert not path.exists()
    with storage.local_copy(tmp_path / "local") as path:
        assert path == tmp_path / "local"
    assert path.exists()
