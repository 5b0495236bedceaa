"""The nodes of a Kubeflow run's workflow, which Argo keeps and the API hands on as it has them.

Beyond a megabyte of workflow Argo packs its nodes (argo-workflows 4.0.5, workflow/packer/packer.go line 17), and
Kubeflow's own list of a run's tasks then stands still, since it is made of unpacked ones alone (kubeflow/pipelines
2.17.0, backend/src/common/util/workflow.go, NodeStatuses). Seen at the pipeline's fifteenth step.
"""

import base64
import binascii
import gzip
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from yt8m.errors import one_line

OMITTED = "Omitted"  # a task that was never to begin
ENDED_BADLY = ("Failed", "Error")


@dataclass(frozen=True)
class Node:
    """A node of a workflow.

    Attributes:
        name: as the task in the pipeline.
        path: names of the nodes that it is in, and its own.
        kind: Pod, Retry, DAG and so on.
        phase: Pending, Running, Succeeded, Failed, Error, Omitted or Skipped.
        message: why, of one that failed or waits; often empty.
    """

    name: str
    path: str
    kind: str
    phase: str
    message: str


def read_nodes(manifest: str) -> list[Node]:
    """The nodes of a workflow's JSON, packed or not; none of what is no workflow."""
    try:
        status = json.loads(manifest)["status"]
        packed = status.get("compressedNodes")
        nodes = json.loads(gzip.decompress(base64.b64decode(packed))) if packed else status.get("nodes") or {}
        return [_node(node) for node in nodes.values()]
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, binascii.Error):
        return []


def why(nodes: Collection[Node], tasks: Collection[str]) -> str:
    """What Argo says of the pods of tasks that failed, or of all pods where none of the tasks did, as in a run that was
    terminated; each sentence once, and nothing of attempts before a good one.
    """
    failed = [node.path for node in nodes if node.name in tasks and node.phase in ENDED_BADLY]
    inside = tuple(path + end for path in failed for end in (".", "(")) or ""  # attempts are called name(0), name(1)
    messages = [node.message for node in nodes if node.kind == "Pod" and node.phase in ENDED_BADLY
                and node.path.startswith(inside)]  # fmt: skip
    return "; ".join(dict.fromkeys(one_line(message).removeprefix("main: ") for message in messages if message))


def _node(node: dict[str, Any]) -> Node:
    return Node(node["displayName"], node["name"], node["type"], node.get("phase", "Pending"), node.get("message", ""))
