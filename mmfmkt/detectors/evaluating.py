"""Running a model for a look, without a trace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

Result = TypeVar('Result')
SIZES = (256, 512)  # pixels of an empty image; the first is two locations at stride 128, and too small for SSD


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """In eval mode, without gradients and without a trace in the random state; then back."""
    modes = {module: module.training for module in model.modules()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode


def on_empty_image(run: Callable[[Tensor], Result], channels: int) -> Result:
    """What `run` returns for an empty image (1, C, H, W), a larger one if the first is too small for it."""
    small, large = (torch.zeros(1, channels, size, size) for size in SIZES)
    try:
        return run(small)
    except RuntimeError:
        return run(large)
