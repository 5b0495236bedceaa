"""A storage emulator: the part of the Cloud Storage JSON API that google-cloud-storage uses, as a process of its own.

It enforces what the real service enforces and what other emulators leave out: `ifGenerationMatch` (412), ranges (206,
416), paged listings, resumable uploads, and CRC32C given by the client. It gives out
tokens, too, at /token. `plumbing.py` says how it misbehaves.

Run it by `python gcs.py`; it prints its port on the first line.
"""

import base64
import json
import re
import struct
import time
import urllib.parse
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

import google_crc32c
from plumbing import Answer, Handler, HttpError, Service, as_json, serve


@dataclass
class Item:
    data: bytes
    generation: int
    resource: dict[str, Any]


@dataclass
class Upload:
    bucket: str
    name: str
    resource: dict[str, Any]
    match: str | None
    data: bytearray = field(default_factory=bytearray)


class Storage(Service):
    """The objects, and the rules about them; one lock makes every change atomic."""

    def __init__(self, options: dict[str, Any]):
        super().__init__(options)
        self.buckets: dict[str, dict[str, Item]] = {}
        self.uploads: dict[str, Upload] = {}
        self._generation = int(time.time() * 1e6)

    def bucket(self, name: str) -> dict[str, Item]:
        if name not in self.buckets:
            raise HttpError(404, f"The specified bucket does not exist: {name}")
        return self.buckets[name]

    def item(self, bucket: str, name: str, generation: str | None = None) -> Item:
        item = self.bucket(bucket).get(name)
        if item is None or (generation and int(generation) != item.generation):
            raise HttpError(404, f"No such object: {bucket}/{name}")
        return item

    def check_match(self, bucket: str, name: str, match: str | None) -> None:
        if match is None:
            return
        item = self.bucket(bucket).get(name)
        if int(match) != (item.generation if item else 0):
            raise HttpError(412, "At least one of the pre-conditions you specified did not hold.")

    def put(self, bucket: str, name: str, data: bytes, resource: dict[str, Any], match: str | None) -> Item:
        crc = base64.b64encode(struct.pack(">I", google_crc32c.value(data))).decode()
        if resource.get("crc32c", crc) != crc:
            raise HttpError(400, f'Provided CRC32C "{resource["crc32c"]}" doesn\'t match calculated "{crc}".')
        with self.lock:
            self.check_match(bucket, name, match)
            self._generation += 1
            kept = {key: resource[key] for key in ("contentType", "contentEncoding", "metadata") if key in resource}
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            described = {
                "kind": "storage#object", "name": name, "bucket": bucket, "generation": str(self._generation),
                "metageneration": "1", "size": str(len(data)), "crc32c": crc, "timeCreated": now, "updated": now,
                **kept,
            }  # fmt: skip
            self.bucket(bucket)[name] = item = Item(data, self._generation, described)
        return item

    def delete(self, bucket: str, name: str, match: str | None) -> None:
        with self.lock:
            self.item(bucket, name)
            self.check_match(bucket, name, match)
            del self.buckets[bucket][name]

    def listing(self, bucket: str, query: dict[str, str]) -> dict[str, Any]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        entries: dict[str, dict[str, Any] | None] = {}
        with self.lock:
            for name, item in sorted(self.bucket(bucket).items()):
                if not name.startswith(prefix):
                    continue
                cut = name.find(delimiter, len(prefix)) if delimiter else -1
                if cut < 0:
                    entries[name] = item.resource
                else:
                    entries[name[: cut + 1]] = None
        names = [name for name in entries if name > query.get("pageToken", "")]
        page = names[: min(int(query.get("maxResults", 1000)), 1000)]
        answer: dict[str, Any] = {
            "kind": "storage#objects",
            "items": [entries[name] for name in page if entries[name]],
            "prefixes": [name for name in page if not entries[name]],
        }
        if len(page) < len(names):
            answer["nextPageToken"] = page[-1]
        return answer


class StorageHandler(Handler):
    service: Storage

    def shown(self) -> str:
        """The address with its query, as it came."""
        return self.path

    def work(self, method: str, query: dict[str, str], body: bytes) -> Answer:
        path = urllib.parse.urlsplit(self.path).path
        if (method, path) == ("POST", "/token"):  # the service that gives out tokens (RFC 6749, section 5.1)
            return as_json({"access_token": "fresh", "expires_in": 3600, "token_type": "Bearer"})
        match = re.fullmatch(r"(/upload|/download)?/storage/v1/b(?:/([^/]+)(?:/o(?:/([^/]+))?)?)?", path)
        if not match:
            raise HttpError(404, f"Not Found: {path}")
        area, bucket, name = match[1], match[2], urllib.parse.unquote(match[3] or "")
        if area == "/upload":
            return self._upload(method, bucket, query, body)
        if method == "POST" and not bucket:
            created = json.loads(body)
            self.service.buckets.setdefault(created["name"], {})
            return as_json(created)
        if method == "DELETE":
            self.service.delete(bucket, name, query.get("ifGenerationMatch"))
            return Answer(204, b"")
        if not name:
            is_listing = path.endswith("/o")
            self.service.bucket(bucket)
            return as_json(self.service.listing(bucket, query) if is_listing else {"name": bucket})
        item = self.service.item(bucket, name, query.get("generation"))
        self.service.check_match(bucket, name, query.get("ifGenerationMatch"))
        return self._media(item) if query.get("alt") == "media" else as_json(item.resource)

    def _media(self, item: Item) -> Answer:
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Goog-Generation": str(item.generation),
            "X-Goog-Hash": f"crc32c={item.resource['crc32c']}",
        }
        if (
            "contentEncoding" in item.resource
        ):  # to those who accept it: https://cloud.google.com/storage/docs/transcoding
            headers["Content-Encoding"] = item.resource["contentEncoding"]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return Answer(200, item.data, headers)
        start, end = int(wanted[1]), min(int(wanted[2] or 1 << 62), len(item.data) - 1)
        if start >= len(item.data):
            raise HttpError(416, "Requested range not satisfiable")
        headers["Content-Range"] = f"bytes {start}-{end}/{len(item.data)}"
        return Answer(206, item.data[start : end + 1], headers)

    def _upload(self, method: str, bucket: str, query: dict[str, str], body: bytes) -> Answer:
        if method == "PUT":
            return self._resume(query["upload_id"], body)
        match = query.get("ifGenerationMatch")
        if query.get("uploadType") == "multipart":
            resource, data = _multipart(self.headers["Content-Type"], body)
            return as_json(self.service.put(bucket, resource["name"], data, resource, match).resource)
        self.service.bucket(bucket)
        resource = json.loads(body or b"{}")
        name = resource.get("name") or query["name"]
        key = f"upload-{len(self.service.uploads)}"
        self.service.uploads[key] = Upload(bucket, name, resource, match)
        host = self.headers["Host"]
        location = f"http://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={key}"
        return Answer(200, b"{}", {"Location": location})

    def _resume(self, key: str, body: bytes) -> Answer:
        upload = self.service.uploads[key]
        wanted = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers["Content-Range"])
        if not wanted:
            raise HttpError(400, "bad Content-Range")
        if wanted[1] is not None:
            start = int(wanted[1])
            if start > len(upload.data):
                raise HttpError(400, "a gap in the upload")
            upload.data[start:] = body
        if wanted[3] == str(len(upload.data)):
            item = self.service.put(upload.bucket, upload.name, bytes(upload.data), upload.resource, upload.match)
            return as_json(item.resource)
        headers = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        return Answer(308, b"", headers)


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    assert boundary
    _, first, second, _ = body.split(b"--" + boundary[1].encode())
    head, data = second[2:].split(b"\r\n\r\n", 1)
    BytesParser().parsebytes(head)
    return json.loads(first.split(b"\r\n\r\n", 1)[1]), data.removesuffix(b"\r\n")


if __name__ == "__main__":
    serve(Storage, StorageHandler)
