"""One model in a process of its own, so that its peak of memory is its own, and so that all can take turns."""

from __future__ import annotations

import copy
import ctypes
import functools
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.detectors.channels import image_channels
from mmfmkt.detectors.class_count import class_counts

from .cases import Case
from .phases import CudaClock, FlopClock, Phases, WallClock, watch_training
from .synthetic import initialised, make_batch, quick_initialisation

MATRIX = 2048
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc
SMALL, LARGE = 2**18, 2**25  # the latter is what glibc comes to by itself in the course of a training


@dataclass(frozen=True)
class Setting:
    """What all models of a run share.

    Attributes:
        device: 'cpu', or 'cuda:0', with the number of the GPU.
        batch: images of an iteration; predictions are of one.
        shape: height and width of the images.
        optim_wrapper: config of optimizer, clipping and mixed precision.
        logs: folder for what the models print.
        threads: those of PyTorch in an iteration on a CPU. A GPU takes one, as the building of every model does:
            several are built at a time.
    """

    device: str
    batch: int
    shape: tuple[int, int]
    optim_wrapper: dict
    logs: str
    threads: int = 1


class Worker:
    """Trains one model, or predicts with it, an iteration at a time."""

    def __init__(self, case: Case, setting: Setting) -> None:
        self.device, self.phases = torch.device(setting.device), Phases()
        torch.set_num_threads(1)
        if self.device.type == 'cuda':
            torch.cuda.set_device(self.device)
        else:
            give_back_above(SMALL)
            self.before = memory_of_process('VmRSS')
        with quick_initialisation():
            self.model = initialised(case.build()).to(self.device)
        if self.device.type == 'cpu':
            torch.set_num_threads(setting.threads)
        num_classes = min(class_counts(self.model), default=1)
        self.batch = make_batch(
            setting.batch if case.trains else 1, setting.shape, num_classes, image_channels(self.model)
        )
        if case.trains:
            wrapper = build_optim_wrapper(self.model, ConfigDict(setting.optim_wrapper))
            for group in wrapper.optimizer.param_groups:
                group['lr'] = 0.0  # every iteration is the first: random images teach nothing but to diverge
            self.model.train()
            watch_training(self.phases, self.model, wrapper)
            self.step = lambda batch: self.model.train_step(batch, wrapper)
        else:
            self.model.eval()
            self.step = torch.no_grad()(lambda batch: self.model.test_step(batch))

    def next_iteration(self) -> Callable[[], Any]:
        """An iteration on a batch of its own, which it may change; it is copied here, before any clock starts."""
        return functools.partial(self.step, copy.deepcopy(self.batch))

    def run(self) -> dict[str, float]:
        """Seconds of an iteration, in all and in each phase."""
        clock = WallClock() if self.device.type == 'cpu' else CudaClock()
        iteration = self.next_iteration()
        self.synchronize()
        start = time.perf_counter()
        phases = self.phases.of(iteration, clock)
        self.synchronize()
        return dict(phases, total=time.perf_counter() - start)

    def synchronize(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def memory(self) -> int:
        """The peak of an iteration, in bytes: of what PyTorch has allocated on a GPU, or the process on a CPU so far.

        On a CPU it has to be asked for before iterations are timed. Until then all memory goes back to the system
        when it is freed, which is exact and slow.
        """
        self.next_iteration()()  # the optimizer and the teacher are ready after the first
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
            self.next_iteration()()
            return torch.cuda.max_memory_allocated(self.device)
        Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
        self.next_iteration()()
        give_back_above(LARGE)
        return memory_of_process('VmHWM') - self.before

    def flops(self) -> dict[str, int]:
        """Floating-point operations of an iteration, in each phase."""
        with FlopCounterMode(display=False) as counter:
            return self.phases.of(self.next_iteration(), FlopClock(counter))

    def matmul_rates(self) -> dict[str, float]:
        """Floating-point operations per second of a large matrix product, the best of several."""
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # as convolutions do it
        return {name: self.matmul_rate(getattr(torch, name)) for name in ('float32', 'bfloat16')}

    def matmul_rate(self, dtype: torch.dtype) -> float:
        size = MATRIX if self.device.type == 'cpu' else 4 * MATRIX
        matrix, best = torch.randn(size, size, device=self.device).to(dtype), float('inf')
        for _ in range(10):
            self.synchronize()
            start = time.perf_counter()
            matrix @ matrix
            self.synchronize()
            best = min(best, time.perf_counter() - start)
        return 2 * size**3 / best


def give_back_above(size: int) -> None:
    """Let glibc give memory of tensors of more than `size` bytes back when they are freed, and keep what is smaller."""
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, size)
    libc.mallopt(M_TRIM_THRESHOLD, 2 * size)


def memory_of_process(name: str) -> int:
    """'VmRSS', the memory of this process, or 'VmHWM', its peak, in bytes."""
    line = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def serve(connection: Connection, case: Case, setting: Setting) -> None:
    """Build a model, and do what comes over the connection.

    Names of methods come, and (result, None) or (None, error) is the answer.
    """
    file = f'{"train" if case.trains else "predict"}_{case.name.replace(":", "_").replace("/", "_")}.log'
    log = os.open(f'{setting.logs}/{file}', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    init_default_scope('mmdet')
    worker = answer(connection, lambda: Worker(case, setting), silent=True)
    while worker and (request := connection.recv()):
        answer(connection, getattr(worker, request))


def answer(connection: Connection, ask: Callable[[], Any], silent: bool = False) -> Any:
    """Send the result of a question, or only that there is one; return it."""
    try:
        result = ask()
    except Exception as error:  # whatever is wrong with one model must not end the run of the others
        traceback.print_exc()
        connection.send((None, f'{type(error).__name__}: {error}'))
        return None
    connection.send((None if silent else result, None))
    return result
