"""The options that say which cluster, and the service that they lead to."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from targets.cluster import TARGETS
from targets.tokens import VARIABLE, find_token
from yt8m.errors import InputError

if TYPE_CHECKING:
    from targets.remote import Service

KUBEFLOW_ONLY = ("host", "namespace", "experiment", "ui_host", "in_cluster", "cluster_time_zone")
VERTEX_ONLY = ("project", "region", "staging_bucket", "endpoint")


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a cluster and an identity."""
    parser.add_argument("--target", choices=TARGETS, required=True, help="Kubeflow Pipelines, or Vertex AI Pipelines")
    parser.add_argument("--token-file", type=Path, metavar="F", help="file with an access token, read anew when it is "
                        f"needed (default: the environment variable {VARIABLE}; without either, no token on Kubeflow, "
                        "and this machine's credentials on Vertex AI)")  # fmt: skip
    kubeflow = parser.add_argument_group("Kubeflow")
    kubeflow.add_argument("--host", metavar="URL", help="of the API, such as https://kubeflow.example.com/pipeline "
                          "(default: that of kubectl's current context)")  # fmt: skip
    kubeflow.add_argument("--namespace", help="of the user, where an installation serves several")
    kubeflow.add_argument("--experiment", help="that runs belong to (default: yt8m)")
    kubeflow.add_argument("--ui-host", metavar="URL", help="of its pages, if not the host")
    kubeflow.add_argument("--in-cluster", action="store_true", default=None,
                          help="run in a pod: take its projected token, and the host of the cluster")  # fmt: skip
    vertex = parser.add_argument_group("Vertex AI")
    vertex.add_argument("--project", help="Google Cloud project")
    vertex.add_argument("--region", help="such as us-central1")
    vertex.add_argument("--staging-bucket", metavar="gs://B", help="that artifacts are written below")
    vertex.add_argument("--endpoint", metavar="URL", help="of the API, if not that of the region")


def connect(args: argparse.Namespace) -> "Service":
    """The service that the options name.

    Raises:
        InputError: options of the other target, missing ones, or a service that cannot be reached or refuses.
    """
    others = VERTEX_ONLY if args.target == "kfp" else KUBEFLOW_ONLY
    for name in others:
        if getattr(args, name, None) is not None:
            raise InputError(f"--{name.replace('_', '-')}: not an option of target {args.target}; leave it out")
    token = find_token(args.token_file, in_cluster=bool(args.in_cluster))
    if args.target == "kfp":
        from targets.kubeflow import IN_CLUSTER_HOST, Kubeflow, KubeflowPlace

        host = args.host or (IN_CLUSTER_HOST if args.in_cluster else "")
        zone = getattr(args, "cluster_time_zone", None) or "UTC"
        return Kubeflow(
            KubeflowPlace(host, args.namespace or "", args.experiment or "yt8m", args.ui_host or "", zone), token
        )
    from targets.vertex import Vertex, VertexPlace

    place = VertexPlace(args.project or "", args.region or "", args.staging_bucket or "", args.endpoint or "")
    return Vertex(place, token)
