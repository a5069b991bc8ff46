"""Splitting an iteration into phases."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch.utils.flop_counter import FlopCounterMode

from mmfmkt.models import PyramidFlow

PHASES = ('data', 'teacher', 'student', 'flow', 'losses', 'backward', 'optimizer', 'other')


class Clock(Protocol):
    """Something that only grows: seconds, or floating-point operations."""

    def stamp(self) -> Any:
        """The moment."""

    def between(self, first: Any, second: Any) -> float:
        """What lies between two moments."""


class WallClock:
    """Seconds of a CPU."""

    def stamp(self) -> float:
        return time.perf_counter()

    def between(self, first: float, second: float) -> float:
        return second - first


class CudaClock:
    """Seconds of the current stream of a GPU, which are read when the iteration has ended: nobody waits in between."""

    def stamp(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, first: torch.cuda.Event, second: torch.cuda.Event) -> float:
        second.synchronize()
        return first.elapsed_time(second) / 1000


class FlopClock:
    """Floating-point operations of matrix products and convolutions, two for a multiply-add."""

    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter

    def stamp(self) -> int:
        return self.counter.get_total_flops()

    def between(self, first: int, second: int) -> int:
        return second - first


class Phases:
    """Says for what an iteration spends its time.

    Methods are watched; what one watched method spends in another counts for the inner one alone, so that the phases
    add up to the whole.
    """

    def __init__(self) -> None:
        self.stack: list[str] = ['other']
        self.passed: list[tuple[str, Any]] = []  # a phase and the moment at which it ended or was interrupted
        self.clock: Clock | None = None

    def watch(self, owner: Any, methods: Iterable[str], phase: str) -> None:
        """Count what these methods of an object spend for a phase; it may lack some of them."""
        for name in methods:
            if hasattr(owner, name):
                setattr(owner, name, self.counted(getattr(owner, name), phase))

    def counted(self, method: Callable, phase: str) -> Callable:

        @functools.wraps(method)
        def counted(*args, **kwargs) -> Any:
            if self.clock is None:
                return method(*args, **kwargs)
            self.mark()
            self.stack.append(phase)
            try:
                return method(*args, **kwargs)
            finally:
                self.mark()
                self.stack.pop()

        return counted

    def mark(self) -> None:
        self.passed.append((self.stack[-1], self.clock.stamp()))

    def of(self, run: Callable[[], Any], clock: Clock) -> dict[str, float]:
        """Run something, and return what each phase spent."""
        self.clock, self.passed = clock, []
        self.mark()
        run()
        self.mark()
        self.clock, spent = None, defaultdict(float)
        for (_, before), (phase, after) in zip(self.passed, self.passed[1:]):
            spent[phase] += clock.between(before, after)
        return dict(spent)


def watch_training(phases: Phases, model: BaseModel, optim_wrapper: OptimWrapper) -> None:
    """Watch what an iteration of a detector or of a distillation consists of, MMRazor's included."""
    student = getattr(model, 'architecture', model)
    phases.watch(model.data_preprocessor, ['forward'], 'data')
    for teacher in (getattr(model, 'teacher', None), *getattr(model, 'further', ())):
        phases.watch(teacher, ['start', 'run_heads', 'extract_feat', 'forward'], 'teacher')
    phases.watch(student, ['loss'], 'student')
    for head in ('bbox_head', 'rpn_head'):
        phases.watch(getattr(student, head, None), ['loss_by_feat'], 'losses')
    phases.watch(getattr(model, 'distiller', None), ['compute_distill_losses'], 'losses')
    for module in model.modules():
        if isinstance(module, PyramidFlow):
            phases.watch(module, ['forward'], 'flow')
    phases.watch(optim_wrapper, ['backward'], 'backward')
    phases.watch(optim_wrapper, ['step', 'zero_grad'], 'optimizer')
