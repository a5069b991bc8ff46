"""The phases of an iteration, with clocks that tests can read."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmrazor.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

from mmfmkt.lab.benchmark.phases import PHASES, FlopClock, Phases, watch_training


class Ticks:
    """A clock that goes on by one each time that it is looked at."""

    now = 0

    def stamp(self):
        self.now += 1
        return self.now

    def between(self, first, second):
        return second - first


class Worker:
    def outer(self):
        return self.inner() + self.inner()

    def inner(self):
        return 1

    def fails(self):
        raise RuntimeError


def test_phases_add_up_and_what_lies_inside_another_counts_once():
    phases, worker, ticks = Phases(), Worker(), Ticks()
    phases.watch(worker, ['inner', 'lacking'], 'inside')
    phases.watch(worker, ['outer'], 'outside')
    assert worker.outer() == 2 and ticks.now == 0  # nobody asks
    spent = phases.of(worker.outer, ticks)
    assert spent == dict(other=2, outside=3, inside=2) and sum(spent.values()) == ticks.now - 1


def test_an_error_leaves_the_phases_as_they_were():
    phases, worker = Phases(), Worker()
    phases.watch(worker, ['fails'], 'failing')
    with pytest.raises(RuntimeError):
        phases.of(worker.fails, Ticks())
    assert phases.stack == ['other']


@pytest.mark.parametrize('kind', ['fmkt', 'theta'])
def test_an_iteration_of_distillation_has_all_phases(request, kind, batch):
    model = MODELS.build(request.getfixturevalue(kind)).train()
    wrapper, phases = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.0)), Phases()
    watch_training(phases, model, wrapper)
    images, samples = batch
    data = dict(inputs=list((images * 50 + 127).clamp(0, 255).to(torch.uint8)), data_samples=samples)
    with FlopCounterMode(display=False) as counter:
        flops = phases.of(lambda: model.train_step(data, wrapper), FlopClock(counter))
        assert set(phases.of(lambda: model.train_step(data, wrapper), Ticks())) == set(PHASES)
    assert flops['data'] == flops['optimizer'] == flops['losses'] == 0
    assert flops['backward'] > flops['student'] > flops['flow'] > 0 and flops['teacher'] > 0
