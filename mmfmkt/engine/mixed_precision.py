"""Mixed precision on GPUs, and on CPUs, which MMEngine leaves out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmrazor.registry import OPTIM_WRAPPERS
from torch import nn

from mmfmkt.common.precision import autocast, chosen_dtype

OF_GPUS = ('loss_scale', 'dtype', 'use_fsdp')  # settings that an OptimWrapper for a CPU does not have


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Mixed precision on a CPU: bfloat16, which needs no loss scaling. MMEngine's `AmpOptimWrapper` asserts a GPU."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


@OPTIM_WRAPPERS.register_module()
class AutoAmpOptimWrapper(OptimWrapper):
    """Mixed precision with bfloat16 where the device computes it, float32 elsewhere."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device
        with super().optim_context(model), autocast(chosen_dtype('auto', device), device):
            yield


def enable_amp(cfg: Config) -> None:
    """Train in mixed precision: float16 with loss scaling on a GPU, bfloat16 on a CPU."""
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.loss_scale = 'dynamic'
    else:
        cfg.optim_wrapper.type = 'mmrazor.CPUAmpOptimWrapper'
        for setting in OF_GPUS:
            cfg.optim_wrapper.pop(setting, None)
