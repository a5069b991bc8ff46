"""Where the models of a benchmark run, with how many threads, and how their processes start. No GPU is needed."""

import copy
import time
from argparse import Namespace

import pytest
import torch
from torch import nn

from mmfmkt.lab.benchmark import worker
from mmfmkt.lab.benchmark.benchmark import describe, numbered
from mmfmkt.lab.benchmark.cases import Case
from mmfmkt.lab.benchmark.rounds import processes_for
from mmfmkt.lab.benchmark.synthetic import quick_initialisation
from mmfmkt.lab.benchmark.worker import Setting, Worker


@pytest.mark.parametrize(
    'device, num_gpus, expected',
    [(None, 0, 'cpu'), (None, 2, 'cuda:0'), ('cpu', 2, 'cpu'), ('cuda', 1, 'cuda:0'), ('cuda:1', 2, 'cuda:1')],
)
def test_every_device_has_a_number(device, num_gpus, expected):
    assert numbered(device, num_gpus) == expected


@pytest.mark.parametrize(
    'device, num_gpus, devices',
    [('cuda', 0, 'cpu'), ('cuda:2', 2, 'cpu, cuda, cuda:0, cuda:1'), ('gpu', 1, 'cpu, cuda, cuda:0')],
)
def test_a_device_that_the_machine_lacks_is_refused(device, num_gpus, devices):
    with pytest.raises(ValueError, match=f'--device must be one of this machine, {devices}, but got {device}'):
        numbered(device, num_gpus)


def test_with_amp_the_text_over_the_tables_says_that_predictions_are_in_float32():
    settings = dict(device='cpu', batch=2, shape=(64, 64), rounds=1, cfg_options={})
    assert 'training in mixed precision, predictions in float32' in describe(Namespace(amp=True, **settings))
    assert ', float32, 1 rounds' in describe(Namespace(amp=False, **settings))


def test_processes_with_a_gpu_are_not_forked():
    assert processes_for('cuda:0').get_start_method() == 'spawn'
    assert processes_for('cpu').get_start_method() == 'forkserver'


class Detector(nn.Conv2d):
    """Knows how many threads there were when it was built."""

    def __init__(self):
        super().__init__(3, 8, 3)
        self.threads, self.device = torch.get_num_threads(), None
        self.bbox_head = nn.Module()
        self.bbox_head.num_classes = 3

    def init_weights(self):
        nn.init.normal_(self.weight)

    def to(self, device):
        self.device = device
        return self


class DetectorCase(Case):
    def build(self):
        return Detector()


@pytest.fixture
def started(monkeypatch):
    """What happens on a device: the settings of the allocator, and the GPU that is chosen."""
    calls, threads = [], torch.get_num_threads()
    monkeypatch.setattr(worker, 'give_back_above', lambda size: calls.append('allocator'))
    monkeypatch.setattr(torch.cuda, 'set_device', lambda device: calls.append(str(device)))
    yield calls
    torch.set_num_threads(threads)


@pytest.mark.parametrize('device, calls, threads', [('cpu', ['allocator'], 3), ('cuda:1', ['cuda:1'], 1)])
def test_models_are_built_by_one_thread_and_the_allocator_is_that_of_a_cpu_alone(
    started, tmp_path, device, calls, threads
):
    model = Worker(DetectorCase('student', {}, False), Setting(device, 2, (64, 64), {}, str(tmp_path), threads=3)).model
    assert model.threads == 1 and model.device == torch.device(device)
    assert started == calls and torch.get_num_threads() == threads


class StepCase(Case):
    """A detector that uses up its batch."""

    def build(self):
        detector = Detector()
        detector.test_step = lambda batch: batch['inputs'].pop()
        return detector


def test_every_iteration_has_a_batch_of_its_own_that_was_copied_before_the_clock_starts(started, tmp_path, monkeypatch):
    calls = []
    one = Worker(StepCase('student', {}, False), Setting('cpu', 2, (64, 64), {}, str(tmp_path)))
    step, copied, clock = one.step, copy.deepcopy, time.perf_counter
    one.step = lambda batch: calls.append('step') or step(batch)
    monkeypatch.setattr(worker.copy, 'deepcopy', lambda *args: calls.append('copy') or copied(*args))
    monkeypatch.setattr(worker.time, 'perf_counter', lambda: calls.append('clock') or clock())
    for _ in range(2):
        calls.clear()
        assert one.run()['total'] > 0
        timed = calls[calls.index('clock') :]
        assert 'copy' in calls and 'copy' not in timed and timed.count('step') == 1


def test_quick_weights_are_the_same_each_time_finite_and_of_the_size_that_keeps_the_size_of_inputs():
    before = nn.init.normal_
    with quick_initialisation():
        first, second, linear = nn.Conv2d(64, 128, 3), nn.Conv2d(64, 128, 3), nn.Linear(512, 512)
    assert nn.init.normal_ is before and torch.equal(first.weight, second.weight)
    for layer, inputs in ((first, 64 * 9), (linear, 512)):
        assert layer.weight.requires_grad and not layer.bias.any()
        assert layer.weight.std().item() * inputs**0.5 == pytest.approx(1, abs=0.02)
