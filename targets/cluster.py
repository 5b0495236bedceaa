"""What a task asks of a cluster, by target: Kubeflow takes Kubernetes' settings, Vertex AI an accelerator and limits.

Any Kubernetes setting makes a second YAML document, which Vertex AI cannot read; hence one pipeline function and two
compiled files.
"""

import sys
from types import SimpleNamespace
from typing import Literal

from kfp import dsl, kubernetes
from kfp.dsl import pipeline_task

from targets.settings import Gpu, Profile, Resources
from yt8m.quiet import BACKEND_VARIABLE

Target = Literal["kfp", "vertex"]
TARGETS: tuple[Target, ...] = ("kfp", "vertex")
SHARED_MEMORY = "/dev/shm"
FACTOR = 2.0  # of each wait before another attempt, over the one before
GPUS = "YT8M_GPUS"  # as in yt8m.models.devices, which brings Keras in

# KFP looks up its caller's name at each setting of a task, by a stack with the source lines of every frame, for which
# Python asks every module that is loaded: most of the time of a compilation. This gives the name alone.
pipeline_task.inspect = SimpleNamespace(stack=lambda: [None, (None, None, None, sys._getframe(2).f_code.co_name)])


def configure(task: dsl.PipelineTask, kind: str, profile: Profile, target: Target) -> None:
    """Give a task of a kind (data, train, predict) its image, resources and retries."""
    resources = profile.steps[kind]
    task.set_container_image(profile.images["data" if kind == "data" else "trainer"])
    task.set_cpu_limit(resources.cpu)
    task.set_memory_limit(resources.memory)
    retry = resources.retry
    if retry.attempts:
        task.set_retry(
            retry.attempts, backoff_duration=f"{retry.backoff_seconds}s", backoff_factor=FACTOR,
            backoff_max_duration=f"{backoff_max(resources, target)}s",
        )  # fmt: skip
    if resources.gpu:
        _set_gpu(task, resources.gpu, target)
    if profile.engine and kind != "data":
        task.set_env_variable(BACKEND_VARIABLE, profile.engine)
    if target == "kfp":
        _set_kubernetes(task, resources, profile)


def backoff_max(resources: Resources, target: Target) -> int:
    """What a target calls the longest backoff, in seconds.

    On Vertex AI it is the longest wait between two attempts. On Kubeflow it is the time since the first attempt began
    after which nothing is tried again and a running attempt is killed (kubeflow/pipelines 2.17.0,
    backend/src/v2/compiler/argocompiler/container.go line 667; argo-workflows 4.0.5, workflow/controller/operator.go
    lines 1033 to 1095): there it has to hold all attempts, each as long as its timeout, and all waits, which double
    without a limit.
    """
    retry = resources.retry
    if target == "vertex":
        return retry.backoff_max_seconds
    waits = sum(retry.backoff_seconds * int(FACTOR) ** number for number in range(retry.attempts))
    return (retry.attempts + 1) * 60 * resources.timeout_minutes + waits


def _set_gpu(task: dsl.PipelineTask, gpu: Gpu, target: Target) -> None:
    task.set_accelerator_type(gpu.kfp if target == "kfp" else gpu.vertex)
    task.set_accelerator_limit(gpu.count)
    task.set_env_variable(GPUS, str(gpu.count))  # the step refuses to go on without them


def _set_kubernetes(task: dsl.PipelineTask, resources: Resources, profile: Profile) -> None:
    kubernetes.set_timeout(task, seconds=60 * resources.timeout_minutes)
    if resources.shared_memory:
        kubernetes.empty_dir_mount(
            task, volume_name="shared-memory", mount_path=SHARED_MEMORY, medium="Memory",
            size_limit=resources.shared_memory,
        )  # fmt: skip
    for volume in profile.volumes:
        kubernetes.mount_pvc(task, pvc_name=volume.claim, mount_path=volume.path)
    for key, value in resources.node_selector.items():
        kubernetes.add_node_selector(task, label_key=key, label_value=value)
    for toleration in resources.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump(exclude_none=True))
