"""The challenge's limit on the size of what made a submission."""

from collections.abc import Sequence
from typing import Any

from yt8m.registry.manifest import locate_model
from yt8m.submission.checks import refuse

LIMIT = 2**30
MIB = 2**20


def check_size(models: Sequence[str], used: Sequence[dict[str, Any]]) -> int:
    """Bytes of the weights of the models that made the predictions, each counted once.

    Args:
        models: folders of models (local or gs://), or manifests.
        used: the models that the predictions name, `{name, fingerprint, ...}` each.

    Raises:
        InputError: one of them is not among `models` or the other way round, or together they exceed 2^30 bytes.
    """
    sizes: dict[str, int] = {}
    needed = {str(model.get("fingerprint")): str(model["name"]) for model in used}
    for path in models:
        model = locate_model(path)
        if model.fingerprint not in needed:
            made_by = ", ".join(f"{name} ({key})" for key, name in needed.items())
            refuse(path, f"the model {model.fingerprint} made none of these predictions, {made_by} did; name that one")
        sizes[model.fingerprint] = int(model.manifest["weights"]["bytes"])
    for key, name in needed.items():
        if key not in sizes:
            refuse(name, f"the model {key} made some of the predictions, but no --model names it; name each of them")
    total = sum(sizes.values())
    if total > LIMIT:
        subject = "the model has" if len(sizes) == 1 else f"the {len(sizes)} models have together"
        refuse(
            ", ".join(models),
            f"{subject} {total / MIB:,.1f} MiB of weights, the challenge allows {LIMIT / MIB:,.0f} MiB; "
            "leave a model out, or train a smaller one (`yt8m models` shows sizes)",
        )
    return total
