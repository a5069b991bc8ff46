"""Several processes: which of them this is, before PyTorch knows, and the model that each has wrapped."""
import os

from mmengine.model import is_model_wrapper
from torch import nn


def is_first_process() -> bool:
    """Is this the only process, or the first of those that torchrun or Slurm has started?"""
    return os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0'


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, which several processes wrap."""
    return model.module if is_model_wrapper(model) else model
