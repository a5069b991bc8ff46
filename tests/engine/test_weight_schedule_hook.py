import gc
import weakref

import pytest
import torch
from helpers import total
from mmengine.hooks import EMAHook, Hook
from mmrazor.registry import MODELS

from mmfmkt.engine.hooks import FlowLogHook, NonFiniteHook, WeightScheduleHook
from mmfmkt.models.distill.weight_schedule import WeightSchedule


def test_the_weight_rises_stays_falls_and_ends():
    schedule = WeightSchedule(warm_up_iters=4, decay_epoch=2, stop_epoch=4)
    assert [schedule(iteration, 0) for iteration in (0, 1, 3, 4, 100)] == [0.25, 0.5, 1, 1, 1]
    assert [schedule(100, epoch) for epoch in (1.9, 2, 2.5, 3, 3.75, 4, 9)] == [1, 1, 0.75, 0.5, 0.125, 0, 0]
    assert WeightSchedule()(0, 0) == WeightSchedule()(10**6, 100) == 1


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(warm_up_iters=-1), '`warm_up_iters` of weight_schedule must be an integer of at least 0, but got -1'),
        (dict(stop_epoch=2.5), '`stop_epoch` of weight_schedule must be an integer'),
        (
            dict(decay_epoch=2),
            '`decay_epoch` of weight_schedule must be followed by a later `stop_epoch`.*but got 2 and None',
        ),
        (dict(decay_epoch=2, stop_epoch=2), 'but got 2 and 2'),
    ],
)
def test_other_schedules_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WeightSchedule(**settings)


class Watch(Hook):
    """What an iteration logs of the distillation, and how often the teacher has run and whether it is there."""

    def __init__(self):
        self.calls, self.seen = [], []

    def before_train(self, runner):
        teacher = runner.model.teacher.detector
        teacher.backbone.register_forward_hook(lambda *args: self.calls.append(runner.iter))
        self.backbone = weakref.ref(teacher.backbone)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        gc.collect()
        self.seen.append((outputs.get('distill.loss_fmkt'), self.backbone() is not None))


@pytest.mark.parametrize('variant', ['theta', 'fmkt'])  # the average of the weights is a copy of the model
def test_a_stopped_distillation_runs_no_teacher_and_frees_it(make_runner, theta, request, variant):
    config = dict(request.getfixturevalue(variant), weight_schedule=dict(stop_epoch=2))
    theta.clear()
    theta.update(config)
    watch = Watch()
    runner = make_runner(
        4, 'run', custom_hooks=[WeightScheduleHook(), NonFiniteHook(), FlowLogHook(interval=1), EMAHook(), watch]
    )
    runner.train()
    assert not {'train/distill.loss_fmkt', 'train/flow.loss_cls'} & set(runner.message_hub.log_scalars)
    assert sorted({*watch.calls}) == [0, 1]  # more often in the first, to prepare it
    assert [(loss is not None, there) for loss, there in watch.seen] == [(True, True)] * 2 + [(False, False)] * 2


def test_a_run_that_is_resumed_after_the_end_of_the_distillation_has_none(make_runner, theta, tmp_path):
    theta.weight_schedule = dict(stop_epoch=1)
    hooks = [WeightScheduleHook(), dict(type='mmrazor.SplitDistillerHook'), dict(type='mmrazor.JoinDistillerHook')]
    make_runner(2, 'run', custom_hooks=hooks).train()
    watch = Watch()
    resumed = make_runner(
        3, 'run', resume=True, load_from=str(tmp_path / 'run' / 'epoch_2.pth'), custom_hooks=[*hooks, watch]
    )
    resumed.train()
    assert watch.calls == [] and watch.seen == [(None, False)]


def test_the_distillation_is_weighted_and_nothing_else(theta, batch):
    model = MODELS.build(theta).train()
    whole = model.loss(*batch)
    model.distill_weight = 0.25
    quarter = model.loss(*batch)
    assert torch.equal(quarter['distill.loss_fmkt'], 0.25 * whole['distill.loss_fmkt'])
    assert torch.equal(total({'loss_cls': quarter['loss_cls']}), total({'loss_cls': whole['loss_cls']}))


def test_the_warm_up_is_that_of_the_iterations(make_runner, theta):
    theta.weight_schedule = dict(warm_up_iters=4)
    weights = []

    class Weights(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            weights.append(runner.model.distill_weight)

    runner = make_runner(5, 'run', custom_hooks=[WeightScheduleHook(), Weights()])
    runner.train()
    assert weights == [0.25, 0.5, 0.75, 1, 1] == runner.message_hub.get_scalar('train/distill_weight').data[0].tolist()


def test_a_stopped_distillation_still_gives_every_parameter_a_gradient_for_other_processes(theta, batch):
    model = MODELS.build(theta).train()
    model.stop_distillation()
    losses = model.loss(*batch)
    total(losses).backward()
    assert losses['distill.loss_unused'] == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.distiller.parameters())


def test_epochs_of_a_training_that_counts_iterations_are_passes_over_its_data(make_runner, theta):
    theta.weight_schedule = dict(stop_epoch=2)
    watch = Watch()
    loader = dict(batch_size=1, sampler=dict(type='InfiniteSampler'))
    runner = make_runner(
        0,
        'run',
        repeat=2,
        train_dataloader=loader,
        custom_hooks=[WeightScheduleHook(), watch],
        train_cfg=dict(type='mmrazor.ResumableIterLoop', max_iters=10),
    )
    runner.train()
    assert sorted({*watch.calls}) == list(range(8))  # two passes over four images
