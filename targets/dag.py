"""What a pipeline's steps are, and which waits for which, read from its specification: so they stand in one place."""

from collections.abc import Mapping
from typing import Any


def steps_in(specification: Any, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """The steps of a pipeline, `{name, kind, after, each}`, in the order of `kinds`; exit steps are none of them.

    Args:
        specification: the `PipelineSpec` message.
        kinds: task -> kind of machine, in the order of the definition.

    Returns:
        `name` as people see it, `after` (the names of all steps that it waits for, not through others), and `each`:
        whether it is in a loop.
    """
    found: dict[str, dict[str, Any]] = {}

    def walk(dag: Any, waits: list[str], looped: bool) -> list[str]:
        """The names of the tasks of a DAG, which all wait for `waits`."""
        inside: dict[str, list[str]] = {}
        tasks = dag.tasks
        while len(inside) < len(tasks):
            for task in sorted(set(tasks) - set(inside)):
                needed = list(tasks[task].dependent_tasks)
                if all(name in inside for name in needed):
                    after = [*waits, *(step for name in needed for step in inside[name])]
                    inside[task] = visit(task, tasks[task], after, looped)
        return [step for steps in inside.values() for step in steps]

    def visit(task: str, content: Any, after: list[str], looped: bool) -> list[str]:
        component = specification.components[content.component_ref.name]
        if component.HasField("dag"):
            return walk(component.dag, after, looped or bool(content.WhichOneof("iterator")))
        if content.trigger_policy.strategy:  # runs whatever happens: the exit
            return []
        name = content.task_info.name
        found[task] = {"name": name, "kind": kinds[task], "after": sorted(set(after)), "each": looped}
        return [name]

    walk(specification.root.dag, [], False)
    return [found[task] for task in kinds if task in found]


def step_titles(pipeline: Mapping[str, Any]) -> dict[str, str]:
    """Task -> the name that people see, of all steps of a compiled pipeline (not of loops, conditions and handlers)."""
    components = pipeline["components"]
    dags = [part["dag"]["tasks"] for part in [pipeline["root"], *components.values()] if "dag" in part]
    return {
        key: task.get("taskInfo", {}).get("name", key)
        for tasks in dags
        for key, task in tasks.items()
        if "dag" not in components[task["componentRef"]["name"]]
    }
