import pytest
from mmengine.hooks import Hook
from mmrazor.registry import HOOKS

from mmfmkt.engine.hooks import StepWarmUpHook
from mmfmkt.models import PyramidFlow

SEEN = []


@HOOKS.register_module()
class SeeStepsHook(Hook):
    """Remembers how many steps an epoch took in training, and how many the model takes at inference."""

    def after_train_epoch(self, runner):
        (flow,) = (module for module in runner.model.modules() if isinstance(module, PyramidFlow))
        SEEN.append((runner.epoch, flow.num_steps, flow.inference_steps))


@pytest.fixture
def hooks():
    SEEN.clear()
    return [
        dict(type='mmrazor.StepWarmUpHook', num_steps=[(0, 1), (1, [1, 2]), (3, 4)]),
        dict(type='mmrazor.SeeStepsHook'),
    ]


def test_steps_follow_the_epochs_and_inference_keeps_its_own(make_runner, hooks):
    make_runner(4, 'run', custom_hooks=hooks).train()
    assert SEEN == [(0, (1,), 2), (1, (1, 2), 2), (2, (1, 2), 2), (3, (4,), 2)]


def test_a_resumed_run_takes_the_steps_of_its_epoch(make_runner, hooks, tmp_path):
    make_runner(2, 'run', custom_hooks=hooks).train()
    make_runner(4, 'run', custom_hooks=hooks, resume=True, load_from=str(tmp_path / 'run/epoch_2.pth')).train()
    assert [num_steps for _, num_steps, _ in SEEN] == [(1,), (1, 2), (1, 2), (4,)]


@pytest.mark.parametrize('num_steps', [[], 4, [1, 2, 4], [(1, 2)], [(0, 1), (3, 2), (2, 4)], [(0, 1), (0, 2)]])
def test_epochs_that_do_not_rise_from_zero_are_refused(num_steps):
    with pytest.raises(ValueError, match=r'pairs \(epoch, N\) with rising epochs from 0 on'):
        StepWarmUpHook(num_steps)


def test_no_steps_are_refused_before_training(make_runner, tmp_path):
    with pytest.raises(ValueError, match='`num_steps` must be an integer of at least 1, but got 0'):
        make_runner(1, 'run', custom_hooks=[dict(type='mmrazor.StepWarmUpHook', num_steps=[(0, 1), (5, 0)])]).train()
    assert not (tmp_path / 'run' / 'epoch_1.pth').exists()


def test_training_that_is_not_counted_in_epochs_is_refused(make_runner, hooks):
    runner = make_runner(1, 'run', custom_hooks=hooks)
    runner._train_loop = dict(type='IterBasedTrainLoop', max_iters=2, dataloader=runner._train_dataloader)
    with pytest.raises(ValueError, match='must run in an EpochBasedTrainLoop, but got IterBasedTrainLoop'):
        runner.train()
