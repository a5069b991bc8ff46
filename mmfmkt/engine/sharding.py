"""Parameters and optimizer in shards, for models that DDP has no memory for: FSDP by MMEngine's FlexibleRunner.

    runner_type = 'FlexibleRunner'
    strategy = dict(type='DistillFSDPStrategy', model_wrapper=dict(auto_wrap_policy=dict(type='wrap_called_modules')))

What MMEngine 0.10.7 lacks for it stands here: arguments that PyTorch has changed since 2.0, processes without a GPU,
clipping, state dicts whose keys are renamed, and a teacher that is no module.
"""

from pathlib import Path
from typing import Any

import torch
from mmdet.models.layers import ResLayer
from mmdet.models.necks import FPN
from mmengine._strategy import FSDPStrategy
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.optim import OptimWrapper
from mmengine.registry import FUNCTIONS, STRATEGIES
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP

from mmfmkt.common.files import UNFINISHED, finish
from mmfmkt.models import PyramidFlow

# PyTorch 2.13 hands out memory that it frees if it is told to move to the CPU what is there
ON_CPU = dict(
    state_dict_type='FULL_STATE_DICT',
    state_dict_config=dict(type='FullStateDictConfig', rank0_only=True, offload_to_cpu=False),
    optim_state_dict_config=dict(type='FullOptimStateDictConfig', rank0_only=True, offload_to_cpu=False),
)


@STRATEGIES.register_module()
class DistillFSDPStrategy(FSDPStrategy):
    """FSDP whose checkpoints are those of a run without it.

    Args:
        model_wrapper: settings of MMEngine's `MMFullyShardedDataParallel`. Without an `auto_wrap_policy` the model is
            one unit: parameters and optimizer are in shards except from the forward to the backward pass.
        kwargs: those of MMEngine's `FSDPStrategy`.
    """

    def __init__(self, *, model_wrapper: dict | None = None, **kwargs: Any) -> None:
        model_wrapper = dict(model_wrapper or {}, type='MMFullyShardedDataParallel')
        if get_device() == 'cpu':
            model_wrapper['device_id'] = torch.device('cpu')  # MMEngine's default is the number of a GPU
            kwargs['state_dict_cfg'] = ON_CPU
        super().__init__(model_wrapper=model_wrapper, **dict(dict(state_dict_cfg='full'), **kwargs))

    def _wrap_model(self, model: nn.Module) -> nn.Module:  # there is no public method before the wrapping
        model = self.convert_model(model.to(get_device()))  # FSDP would leave the teacher where it is
        tensors = [*model.named_parameters(), *model.named_buffers()]
        names = {id(tensor): name for name, tensor in tensors}
        self.names = {key: names[id(value)] for key, value in model.state_dict(keep_vars=True).items()}
        return super()._wrap_model(model)

    def model_state_dict(self) -> dict[str, Tensor]:
        """Whole weights under the keys that the model has without FSDP, which does not know hooks that rename them."""
        with FSDP.summon_full_params(
            self.model, writeback=False, rank0_only=True, offload_to_cpu=self.state_dict_config.offload_to_cpu
        ):
            if not is_main_process():
                return {}
            tensors = dict([*self.model.named_parameters(), *self.model.named_buffers()])
            return {key: tensors[name].detach().cpu().clone() for key, name in self.names.items()}

    def save_checkpoint(self, filename: str, **kwargs: Any) -> None:
        """Save a checkpoint in a file that is whole or as it was; MMEngine knows no file backend here."""
        super().save_checkpoint(filename + UNFINISHED, **kwargs)
        if is_main_process():
            finish(Path(filename + UNFINISHED), Path(filename))

    def build_optim_wrapper(self, optim_wrapper: dict | OptimWrapper, model: Any = None) -> OptimWrapper:
        """The optimizer, clipping by the norm of the whole model and not of the shards that are here."""
        built = super().build_optim_wrapper(optim_wrapper, model)
        if getattr(built, 'clip_func', None) is nn.utils.clip_grad_norm_:
            built.clip_func = lambda parameters, max_norm, norm_type=2.0: model.clip_grad_norm_(max_norm, norm_type)
        return built

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the state of the optimizer; MMEngine has the order of arguments of PyTorch 2.0."""
        optimizer = self.optim_wrapper.optimizer
        self.optim_wrapper.load_state_dict(FSDP.optim_state_dict_to_load(self.model, optimizer, state_dict))


@FUNCTIONS.register_module()
def wrap_called_modules(module: nn.Module, recurse: bool, nonwrapped_numel: int, min_num_params: int = 0) -> bool:
    """An `auto_wrap_policy`: stages of ResNets, FPNs and flows become units of their own.

    FSDP gathers the parameters of a unit when it is called. Heads are not, detectors use their methods; they stay in
    the unit of the whole model.
    """
    return recurse or isinstance(module, (ResLayer, FPN, PyramidFlow)) and nonwrapped_numel >= min_num_params
