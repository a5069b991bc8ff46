import pytest
import torch
from mmengine.hooks import Hook

from mmfmkt.engine.hooks import NonFiniteHook
from mmfmkt.engine.hooks.non_finite_hook import COUNTER, NonFiniteError

NAN, INF = float('nan'), float('inf')


class Poison(Hook):
    """In one iteration, lets something of a model be another number; keeps the parameters before and after."""

    def __init__(self, poison, iteration=1):
        self.poison, self.iteration, self.handle = poison, iteration, None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            self.before = [parameter.detach().clone() for parameter in runner.model.parameters()]
            self.undo = self.poison(runner.model)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.iteration:
            self.undo()
            self.after = [parameter.detach().clone() for parameter in runner.model.parameters()]


def step_metric(value):
    """The metric of the second step of the third level."""

    def poison(model):
        level_metric = model.distiller.distill_losses['loss_fmkt'].level_metrics[0]
        metric, calls = level_metric.metric, []

        def forward(student, teacher):
            calls.append(student)
            return metric(student, teacher) + (value if len(calls) == 9 else 0)  # a pull and two steps for each level

        level_metric.metric = Function(forward)

        def undo():
            level_metric.metric = metric

        return undo

    return poison


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def gradient(model):
    """The gradient of one parameter, though all losses are finite."""
    return model.architecture.bbox_head.retina_cls.weight.register_hook(lambda grad: grad * NAN).remove


@pytest.fixture
def runner_of(make_runner):

    def make(poison, *clipping, **settings):
        hooks = [NonFiniteHook(**settings), Poison(poison)]
        optimizer = dict(optimizer=dict(type='SGD', lr=0.01), clip_grad=clipping[0] if clipping else None)
        return make_runner(3, 'run', optim_wrapper=optimizer, custom_hooks=hooks), hooks[1]

    return make


@pytest.mark.parametrize('clipping', [[], [dict(max_norm=10)], [dict(type='value', clip_value=1)]])
@pytest.mark.parametrize('value', [NAN, INF])
def test_a_loss_that_is_not_finite_stops_the_run_with_its_level_and_step(runner_of, value, clipping):
    runner, poison = runner_of(step_metric(value), *clipping)
    message = r'in iteration 2 the losses distill.loss_fmkt \(level 2 step 2\) are not; lower the learning rate'
    with pytest.raises(NonFiniteError, match=message):
        runner.train()
    for before, after in zip(poison.before, runner.model.parameters()):
        assert torch.equal(before, after)


def test_a_gradient_that_is_not_finite_stops_the_run_with_its_parameter(runner_of):
    runner, _ = runner_of(gradient)
    with pytest.raises(
        NonFiniteError, match='in iteration 2 the gradients of architecture.bbox_head.retina_cls.weight are not'
    ):
        runner.train()


@pytest.mark.parametrize('poison', [step_metric(NAN), gradient])
@pytest.mark.parametrize('clipping', [[], [dict(max_norm=10)]])
def test_a_skipped_iteration_leaves_the_weights_as_they_are_and_is_counted(runner_of, poison, clipping):
    runner, hook = runner_of(poison, *clipping, action='skip', limit=1)
    runner.train()
    assert runner.message_hub.get_info(COUNTER) == 1
    for before, after, later in zip(hook.before, hook.after, runner.model.parameters()):
        assert torch.equal(before, after) and later.isfinite().all()
    assert any(not torch.equal(after, later) for after, later in zip(hook.after, runner.model.parameters()))


def test_more_than_the_limit_is_not_skipped(make_runner):
    hooks = [NonFiniteHook(action='skip', limit=1), Poison(gradient, 0), Poison(gradient, 2)]
    with pytest.raises(NonFiniteError, match='in iteration 3 .* and 1 iterations were skipped before'):
        make_runner(3, 'run', custom_hooks=hooks).train()


def test_what_was_skipped_before_a_resumption_counts(make_runner, tmp_path):
    hooks = [dict(type='mmrazor.SplitDistillerHook'), dict(type='mmrazor.JoinDistillerHook')]
    make_runner(2, 'run', custom_hooks=[NonFiniteHook(action='skip', limit=1), Poison(gradient, 0), *hooks]).train()
    resumed = make_runner(
        3,
        'run',
        resume=True,
        load_from=str(tmp_path / 'run' / 'epoch_2.pth'),
        custom_hooks=[NonFiniteHook(action='skip', limit=1), Poison(gradient, 2), *hooks],
    )
    with pytest.raises(NonFiniteError, match='1 iterations were skipped before'):
        resumed.train()


def test_finite_numbers_pass(runner_of):
    runner, _ = runner_of(lambda model: lambda: None)
    runner.train()
    assert COUNTER not in runner.message_hub.runtime_info


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(action='warn'), "must be 'stop' or 'skip', but got 'warn'"),
        (dict(limit=0), 'must be at least 1, but got 0'),
    ],
)
def test_other_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        NonFiniteHook(**settings)


def test_a_loss_of_an_accumulation_is_named_at_its_end(make_runner):
    optimizer = dict(optimizer=dict(type='SGD', lr=0.01), accumulative_counts=2, clip_grad=dict(max_norm=10))
    runner = make_runner(4, 'run', optim_wrapper=optimizer, custom_hooks=[NonFiniteHook(), Poison(step_metric(NAN), 0)])
    with pytest.raises(NonFiniteError, match=r'in iteration 2 the losses distill.loss_fmkt \(level 2 step 2\) are not'):
        runner.train()
