"""Several processes.

Which of them this is, before PyTorch knows; the model that each has wrapped; and what one of them knows.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_reduce, broadcast_object_list, get_world_size, is_main_process
from mmengine.model import is_model_wrapper

# launcher -> what PyTorch reads -> the name that the launcher has for it
LAUNCHERS = dict(
    pytorch=dict(RANK='RANK'),
    slurm=dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID'),
    mpi=dict(RANK='OMPI_COMM_WORLD_RANK', WORLD_SIZE='OMPI_COMM_WORLD_SIZE', LOCAL_RANK='OMPI_COMM_WORLD_LOCAL_RANK'),
)


def is_first_process() -> bool:
    """Is this the only process, or the first of those that torchrun, Slurm or Open MPI has started?"""
    ranks = (os.environ.get(names['RANK']) for names in LAUNCHERS.values())
    return next(filter(None, ranks), '0') == '0'


def unwrapped(model: Any) -> Any:
    """The model itself, which several processes wrap."""
    return model.module if is_model_wrapper(model) else model


def any_process(flag: bool) -> bool:
    """Is it so in one of the processes? All of them must ask."""
    if get_world_size() == 1:
        return flag
    total = torch.tensor(float(flag), device='cuda' if torch.cuda.is_available() else 'cpu')
    all_reduce(total)
    return total.item() > 0


def in_one_process(check: Callable[[], None]) -> None:
    """Let the first process of a launch check something; all of them raise its ValueError."""
    said: list[str | None] = [None]
    if is_main_process():
        try:
            check()
        except ValueError as error:
            said = [str(error)]
    broadcast_object_list(said)
    if said[0] is not None:
        raise ValueError(said[0])
