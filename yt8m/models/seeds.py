"""A seed of its own for each random draw of a model, so that nothing depends on random state that others use too.

Keras takes the seed of an initialiser or a dropout that is given none from Python's `random`, which other threads
consume at moments of their own. Here the seed follows from the model's seed and the path of the variable or layer,
such as `netvlad/rgb/assignment/kernel`: neither other threads, nor what a process did before, nor the order in which
layers are made changes a value.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import keras

Model = TypeVar("Model", bound=keras.Model)


def seeded(make: Callable[[], Model], seed: int) -> Model:
    """The model that `make` makes and builds, with every random value drawn by a seed of its own.

    Args:
        make: called once; what it makes has its variables when it returns.
        seed: of all values.
    """
    with keras.StatelessScope():  # its variables get their values when it is left: by the initialisers set here
        model = make()
        for variable in model.variables:
            initializer = getattr(variable, "_initializer", None)
            if isinstance(initializer, keras.initializers.Initializer) and "seed" in initializer.get_config():
                config = {**initializer.get_config(), "seed": derive_seed(seed, variable.path)}
                variable._initializer = type(initializer).from_config(config)
        for layer in model._flatten_layers():
            for number, generator in enumerate(layer._seed_generators):
                generator.state._initializer = _state(derive_seed(seed, f"{layer.path}/draws/{number}"))
    return model


def derive_seed(seed: int, path: str) -> int:
    """The seed, from 0 to 2^31 - 1, of what lies at a path in a model."""
    digest = hashlib.blake2b(f"{seed}/{path}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 33


def _state(seed: int) -> Callable[..., Any]:
    """Initialiser of the state of a `keras.random.SeedGenerator`: the seed, and how many draws were made."""
    return lambda shape, dtype: keras.ops.convert_to_tensor([seed, 0], dtype=dtype)
