"""A run that goes on anywhere."""

import signal
import subprocess
import sys
import threading

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from runners import BATCHES, Draws, Told

from mmfmkt.api import finish
from mmfmkt.engine.checkpoint_files import INTERRUPTED, named_newest


def weights(file):
    return {
        **(checkpoint := torch.load(file))['state_dict'],
        **checkpoint.get('distiller', {}),
        **checkpoint['optimizer']['state'],
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        for one, other in zip(*(each.values() if isinstance(each, dict) else [each] for each in (found[key], value))):
            assert torch.equal(one, other) if isinstance(other, torch.Tensor) else one == other, key


@pytest.mark.parametrize('iteration', [0, 1, BATCHES - 1, BATCHES, 2 * BATCHES - 1])
def test_a_run_that_was_told_to_end_goes_on_with_the_next_batch(runner_of, tmp_path, iteration):
    whole, parts = Draws(), Draws()
    runner_of('whole', whole).train()
    with pytest.raises(SystemExit) as stop:
        runner_of('parts', parts, Told(iteration)).train()
    assert stop.value.code == 0 and max(parts.drawn) == iteration
    interrupted = tmp_path / 'parts' / INTERRUPTED
    assert named_newest(tmp_path / 'parts') == str(interrupted)
    runner_of('parts', parts, resume=True, load_from=str(interrupted)).train()
    assert parts.drawn == whole.drawn
    assert_equal(weights(tmp_path / 'parts' / 'epoch_2.pth'), weights(tmp_path / 'whole' / 'epoch_2.pth'))
    assert [file.name for file in (tmp_path / 'parts').glob('*.pth')] == ['epoch_2.pth']


def test_an_accumulation_of_gradients_is_ended_before_the_run(runner_of, tmp_path):
    optimizer = dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01), accumulative_counts=2))
    with pytest.raises(SystemExit):
        runner_of('run', Told(0), **optimizer).train()
    assert torch.load(tmp_path / 'run' / INTERRUPTED)['meta']['iter'] == 2


def test_a_thread_that_is_not_the_main_one_trains_without_the_signal(runner_of):
    runner, handler = runner_of('run'), signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=runner.train)
    thread.start()
    thread.join()
    assert runner.epoch == 2 and signal.getsignal(signal.SIGTERM) is handler


class Fails(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        raise RuntimeError('no memory')


def test_a_training_from_python_that_fails_gives_the_signal_back(runner_of):
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError, match='no memory'):
        finish(runner_of('run', Fails()))
    assert signal.getsignal(signal.SIGTERM) is handler
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


EVALUATES_IN_PROCESSES = """
import multiprocessing, signal
from types import SimpleNamespace
from mmfmkt.engine.hooks import PreemptionHook

hook, runner = PreemptionHook(), SimpleNamespace()
hook.before_train_iter(runner, 0)
for _ in range(20):
    hook.before_val_iter(runner, 0)
    hook.after_val_iter(runner, 0)
    with multiprocessing.get_context('fork').Pool(2) as pool:
        assert pool.map(abs, range(-3, 0)) == [3, 2, 1]
    hook.after_val_epoch(runner, {})
signal.raise_signal(signal.SIGTERM)
assert signal.SIGTERM in signal.sigpending()  # it waits for the end of an iteration again
hook.give_back()
print('over')
"""


def test_a_metric_that_evaluates_in_processes_of_its_own_ends_them():
    """`Pool` ends its processes by SIGTERM, and waits for them."""
    command = [sys.executable, '-W', 'ignore', '-c', EVALUATES_IN_PROCESSES]
    assert subprocess.run(command, capture_output=True, text=True, timeout=120).stdout.endswith('over\n')


class Seen(Hook):
    """Is SIGTERM blocked in iterations?"""

    def __init__(self):
        self.in_iterations = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.in_iterations.append(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))


class SeesTheSignal(BaseMetric):
    """Is it blocked while a metric is computed?"""

    def __init__(self):
        super().__init__()
        self.blocked = []

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        self.blocked.append(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return dict(seen=1)


def test_sigterm_waits_in_iterations_and_not_while_metrics_are_computed(runner_of, validated):
    runner, seen = validated(runner_of('run', hook := Seen())), SeesTheSignal()
    runner._val_evaluator = [seen]
    runner.train()
    assert seen.blocked == [False] * 2 and set(hook.in_iterations) == {True}
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_sigterm_is_only_taken_in_training(runner_of):
    before = signal.getsignal(signal.SIGTERM)
    runner_of('run').train()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_validation_that_a_crash_has_prevented_is_made_up_for(runner_of, tmp_path, monkeypatch):
    runner = runner_of('run')
    runner.train()
    resumed = runner_of('run', resume=True, load_from=str(tmp_path / 'run' / 'epoch_2.pth'))
    validated = []

    class Loop:
        dataloader = runner.train_dataloader

        def run(self):
            validated.append(resumed.epoch)

    monkeypatch.setattr(type(resumed), 'val_loop', Loop())
    resumed.train()
    assert validated == [2] and resumed.iter == 2 * BATCHES
    resumed.train_loop.validate()
    assert validated == [2]


def test_sigterm_before_the_first_iteration_ends_a_run_as_ever(runner_of):

    handlers = []

    class Look(Hook):
        def before_train_epoch(self, runner):
            handlers.append(signal.getsignal(signal.SIGTERM))

    runner_of('run', Look()).train()
    assert handlers[0] is signal.SIG_DFL is not handlers[1]
