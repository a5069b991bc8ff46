"""Random numbers as a function of where a run is, so that there is no state to save.

Every iteration and every image gets generators that are seeded with the run's seed and its own numbers. A run that was
interrupted goes on with the numbers it would have had, wherever it was, on whatever number of workers.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derived_seed(*numbers: int) -> int:
    """A seed in [0, 2^32) that is independent of those of all other numbers (each at least 0)."""
    # how many there are comes first, because NumPy passes over zeros at the end
    return int(np.random.SeedSequence((len(numbers), *numbers)).generate_state(1)[0])


def seed_generators(*numbers: int) -> None:
    """Seed those of Python, NumPy and PyTorch, on the GPU too if it is in use."""
    seed = derived_seed(*numbers)
    seed_cpu(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(seed)


def seed_cpu(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seeded inside; outside, the generators of the CPU go on as if nothing had been drawn."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_cpu(derived_seed(*numbers))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
