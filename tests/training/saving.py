"""A training in miniature, for the sweep over kills: it saves, keeps a best, finishes and clears its checkpoint."""

from pathlib import Path

import numpy as np

from yt8m.errors import InputError
from yt8m.storage import write_json
from yt8m.training.checkpoint import Checkpoints, clear_finished
from yt8m.training.state import State

STEPS = 3
CONFIGURATION = {"a": 1}


def main(argv: list[str]) -> int:
    folder, result = str(Path(argv[0], "checkpoint")), Path(argv[0], "result.json")
    if result.exists():
        clear_finished(folder, CONFIGURATION)
        return 0
    with Checkpoints(folder, CONFIGURATION) as store:
        loaded = store.load()
        state = loaded[0] if loaded else State()
        if loaded and set(loaded[1]["model/0"]) != {state.step}:
            raise InputError("the arrays are of another step")
        while state.step < STEPS:
            state.step += 1
            arrays = {"model/0": np.full(300, state.step, np.float32)}
            if state.step != 2:
                state.best = {"gap": state.step / 10, "step": state.step, "file": store.save_best(state.step, arrays)}
            store.save(state, arrays)
        assert state.best
        best = store.load_best(state.best["file"])["model/0"]
        write_json(result, {"step": state.step, "best": float(best[0])})
        store.remove()
    return 0
