"""A real Kubeflow Pipelines, as the acceptance uses it.

The product's own command line starts everything; the client and kubectl only look, take pods away and stop runs. What
the steps leave on the volume is read through a pod that mounts it, which also takes what the webhook is told.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import kfp
import yaml

ROOT = Path(__file__).parents[2]
POD, PORT = "yt8m-acceptance", 8080
RUN = re.compile(r"/runs/details/([0-9a-f-]{36})")
PATIENCE = 3600.0  # seconds that a run may take
RECEIVER = """
import http.server, itertools, os, sys
os.umask(0)
numbers = itertools.count()
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(f"/data/{sys.argv[1]}/posts/{next(numbers):04d}.json", "wb") as file:
            file.write(body)
        self.send_response(204)
        self.end_headers()
os.makedirs(f"/data/{sys.argv[1]}/posts")
http.server.HTTPServer(("", int(sys.argv[2])), Receiver).serve_forever()
"""


@dataclass(frozen=True)
class Ended:
    """A command of the product that followed a run to its end.

    Attributes:
        run: the run's id.
        code: exit code.
        said: what it printed on stderr.
    """

    run: str
    code: int
    said: str


class Backend:
    """An installation, a namespace in it, and a folder of the acceptance's own on the claim that the steps mount.

    Args:
        host: address of the API.
        namespace: that the steps run in.
        images: by kind (data, trainer).
        claim: of the volume.
        scratch: a local folder.
    """

    def __init__(self, host: str, namespace: str, images: dict[str, str], claim: str, scratch: Path):
        self.host, self.namespace, self.images, self.claim = host, namespace, images, claim
        self.scratch = scratch
        self.name = f"acceptance-{int(time.time())}"
        self.folder = f"/data/{self.name}"
        self.client: Any = kfp.Client(host=host)
        self.settings = scratch / "settings.yaml"
        self.webhook = ""
        self._write_settings()

    def open(self) -> None:
        """Start the pod that mounts the claim."""
        container = {
            "name": "main", "image": self.images["data"], "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", RECEIVER, self.name, str(PORT)],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "securityContext": {"runAsUser": 0},
        }  # fmt: skip
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": self.claim}}]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD},
               "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}}  # fmt: skip
        self.close()
        self.kubectl("apply", "-f", "-", given=json.dumps(pod).encode())
        self.kubectl("wait", "--for", "condition=Ready", "--timeout", "10m", f"pod/{POD}")
        address = self.kubectl("get", "pod", POD, "-o", "jsonpath={.status.podIP}")
        self.webhook = f"http://{address}:{PORT}/posts"

    def close(self) -> None:
        """Take the pod away."""
        self.kubectl("delete", "pod", POD, "--ignore-not-found", "--wait")

    def kubectl(self, *words: str, given: bytes | None = None) -> str:
        done = subprocess.run(["kubectl", "-n", self.namespace, *words], input=given, capture_output=True, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.decode()}"
        return done.stdout.decode()

    def inside(self, *words: str, given: bytes | None = None) -> str:
        """A command in the pod that mounts the claim."""
        return self.kubectl("exec", "-i", POD, "--", *words, given=given)

    def put(self, source: Path, place: str) -> None:
        """Copy a file or the files of a folder into a folder of the acceptance's own."""
        names = sorted(path.name for path in source.iterdir()) if source.is_dir() else [source.name]
        folder = source if source.is_dir() else source.parent
        packed = subprocess.run(["tar", "-C", folder, "-c", *names], capture_output=True, check=True).stdout
        self.inside("mkdir", "-p", f"{self.folder}/{place}")
        self.inside("tar", "-C", f"{self.folder}/{place}", "--no-same-owner", "-x", given=packed)

    def work_root(self, name: str) -> str:
        """An empty work root, which belongs to the user of the steps."""
        place = f"{self.folder}/{name}"
        self.inside("install", "-d", "-o", "1000", "-g", "1000", place)
        return place

    def read(self, path: str) -> Any:
        """A JSON file on the volume."""
        return json.loads(self.inside("cat", path))

    def summary(self, work_root: str, run: str) -> dict[str, Any]:
        """What summarize-run wrote of a run."""
        found = self.read(f"{work_root}/runs/{run}/summary.json")
        assert isinstance(found, dict)
        return found

    def told(self, run: str) -> list[Any]:
        """What the webhook was told of a run."""
        names = self.inside("sh", "-c", f"ls {self.folder}/posts").split()
        posts = [self.read(f"{self.folder}/posts/{name}") for name in names]
        return [post for post in posts if post["summary"]["run"] == run]

    def weights(self, work_root: str) -> dict[str, str]:
        """SHA-256 of all weights of models at a work root, by the path below it."""
        listed = self.inside("sh", "-c", f"cd {work_root}/models && sha256sum */model/*.weights.h5")
        return {path: digest for digest, path in (line.split() for line in listed.splitlines())}

    def command(self, *words: str, parameters: dict[str, Any]) -> list[str]:
        """A command line of the product that leads here."""
        file = self.scratch / f"parameters-{len(list(self.scratch.iterdir()))}.yaml"
        file.write_text(yaml.safe_dump(parameters))
        return [*self._leading(*words), "--profile", "local-cluster", "--settings", str(self.settings), "--parameters",
                str(file)]  # fmt: skip

    def _leading(self, *words: str) -> list[str]:
        return [sys.executable, str(ROOT / "pipeline.py"), *words, "--target", "kfp", "--host", self.host]

    def say(self, *words: str, parameters: dict[str, Any] | None = None) -> str:
        """A command of the product that ends at once; what it prints."""
        given = self.command(*words, parameters=parameters) if parameters else self._leading(*words)
        done = subprocess.run(given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, *words: str, parameters: dict[str, Any], meanwhile: Callable[[str], None] | None = None) -> Ended:
        """Start a run by `submit` or `reproduce submit` and follow it to its end.

        Args:
            words: the command.
            parameters: of the pipeline.
            meanwhile: is called once with the run's id while it runs.
        """
        command = [*self.command(*words, parameters=parameters), "--wait", "--poll-seconds", "2"]
        said = self.scratch / f"said-{len(list(self.scratch.iterdir()))}.txt"
        with said.open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            assert process.stdout is not None
            try:
                found = RUN.search(process.stdout.readline())
                assert found, said.read_text()
                if meanwhile:
                    meanwhile(found[1])
                code = process.wait(PATIENCE)
            finally:
                process.kill()
                process.wait()
        return Ended(found[1], code, said.read_text())

    def pods(self, run: str, step: str) -> list[str]:
        """Names of the running pods in which a step of a run does its work."""
        found = json.loads(self.kubectl("get", "pods", "-l", f"pipeline/runid={run}", "-o", "json"))["items"]
        key = "workflows.argoproj.io/node-name"
        return [
            pod["metadata"]["name"]
            for pod in found
            if re.search(rf"\.{step}(\(\d+\))?\.executor", pod["metadata"]["annotations"].get(key, ""))
            and pod["status"]["phase"] == "Running"
        ]

    def _write_settings(self) -> None:
        """The project's settings with these images, one core for each step, and one more attempt after a short wait."""
        settings = yaml.safe_load((ROOT / "settings.yaml").read_text())
        profile = settings["profiles"]["local-cluster"]
        profile["images"], profile["volumes"] = self.images, [{"claim": self.claim, "path": "/data"}]
        for step in profile["steps"].values():
            step.update(cpu="1", retry={"attempts": 1, "backoff_seconds": 5, "backoff_max_seconds": 60})
        self.settings.write_text(yaml.safe_dump(settings))


def until(look: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Look every second until there is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(1)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def seconds_between(first: Any, second: Any) -> float:
    """Between two moments, as the client gives them."""
    moments = [datetime.fromisoformat(str(moment)) for moment in (first, second)]
    return (moments[1] - moments[0]).total_seconds()
