import copy

import pytest
import torch
from helpers import total, wake
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmrazor.registry import MODELS

from mmfmkt.models.distill.gradient_balance import GradientBalance


@pytest.fixture(params=['fmkt', 'theta'])
def config(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def iteration():
    """Set the number of the iteration."""

    def set_to(number):
        MessageHub.get_current_instance().update_info('iter', number)

    set_to(0)
    return set_to


def build(config, **balance):
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(config, balance=dict(losses=['loss_fmkt'], **balance))).train()
    wake(model)
    return model


def neck_of(model):
    neck = model.architecture.neck
    return getattr(neck, 'neck', neck)


@pytest.mark.parametrize('ratio', [1.0, 0.3])
def test_the_gradients_at_the_neck_have_the_ratio(config, batch, ratio):
    model, seen = build(config, ratio=ratio), []
    neck_of(model).register_forward_hook(lambda neck, args, pyramid: seen.extend(pyramid))
    losses = model.loss(*batch)
    parts = [{}, {}]
    for name, value in losses.items():
        parts[name.startswith('distill.')][name] = value
    norms = [
        torch.stack(
            [
                gradient.norm()
                for gradient in torch.autograd.grad(total(part), seen, retain_graph=True, allow_unused=True)
                if gradient is not None
            ]
        ).norm()
        for part in parts
    ]
    assert norms[1] / norms[0] == pytest.approx(ratio, rel=1e-4)


def test_the_scale_of_a_metric_does_not_matter(config, batch):
    results = []
    for weight in (1e-3, 10.0):
        config.distiller.distill_losses.loss_fmkt.loss_weight = weight
        results.append(build(config).loss(*batch)['distill.loss_fmkt'].item())
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_the_losses_of_the_detector_and_the_gradients_of_the_parameters_stay(config, batch):
    """Measuring leaves no gradient behind, and changes no loss of the detector."""
    model = build(config)
    weighed = model.loss(*batch)
    assert all(parameter.grad is None for parameter in model.parameters())
    plain = MODELS.build(config).train()
    plain.load_state_dict(model.state_dict(), strict=False)
    expected = plain.loss(*batch)
    own = [name for name in expected if not name.startswith('distill.')]
    assert torch.equal(total({name: weighed[name] for name in own}), total({name: expected[name] for name in own}))


def test_the_weight_changes_in_every_interval_and_by_a_part_of_the_way(config, batch, iteration):
    model = build(config, interval=5)
    metric, weights = model.distiller.distill_losses['loss_fmkt'].level_metrics[0], {}
    raised = 1.2 * metric.loss_weight
    for number in (0, 1, 4, 5):
        iteration(number)
        if number:
            metric.loss_weight = raised  # the measurement falls
        weights[number] = model.loss(*batch)['distill.balance'].item()
    measured = build(dict(config), interval=5)
    measured.load_state_dict(model.state_dict())
    measured.distiller.balance.weight.zero_()
    measured.distiller.distill_losses['loss_fmkt'].level_metrics[0].loss_weight = raised
    alone = measured.loss(*batch)['distill.balance'].item()
    assert weights[0] == weights[1] == weights[4]
    assert weights[5] == pytest.approx(weights[0] ** 0.8 * alone**0.2, rel=1e-4) and weights[0] > 1.01 * alone


def test_a_measurement_that_is_no_positive_number_leaves_the_weight():
    balance = GradientBalance(['loss'], ratio=1.0)
    feature = torch.ones(1, 2, 3, 3, requires_grad=True)
    for factor, expected in ((2.0, 0.5), (0.0, 0.5), (float('nan'), 0.5)):
        balance.features = [feature]
        balance.measure(dict(loss_cls=feature.sum()), dict(loss=factor * feature.sum()))
        assert balance.weight.item() == expected


@pytest.mark.parametrize('factor, step', [(1e-4, 2**-0.2), (1e4, 2**0.2), (1.5, 1.5**0.2)])
def test_a_single_measurement_moves_the_weight_by_fifteen_percent_at_most(factor, step):
    balance, feature = GradientBalance(['loss'], ratio=1.0), torch.ones(1, 2, 3, 3, requires_grad=True)
    for of_detector in (54.5, 54.5 * factor):
        balance.features = [feature]
        balance.measure(dict(loss_cls=of_detector * feature.sum()), dict(loss=feature.sum()))
    assert balance.weight.item() == pytest.approx(54.5 * step, rel=1e-5) and 0.85 < 2**-0.2 < 2**0.2 < 1.15


def test_a_loss_that_does_not_read_the_neck_is_refused():
    balance, feature = GradientBalance(['loss_x']), torch.ones(1, 2, 3, 3, requires_grad=True)
    balance.features = [feature]
    with pytest.raises(ValueError, match="must weigh losses that read what the student's neck returns"):
        balance.measure(dict(loss_cls=feature.sum()), dict(loss_x=torch.ones((), requires_grad=True)))


def test_where_no_loss_is_weighed_because_another_teacher_has_its_turn_the_weight_stays():
    balance, feature = GradientBalance(['loss_x']), torch.ones(1, 2, 3, 3, requires_grad=True)
    balance.weight.fill_(2.0)
    balance.features = [feature]
    balance.measure(dict(loss_cls=feature.sum()), dict(loss_y=feature.sum()))
    assert balance.weight == 2


def test_a_loss_that_is_only_logged_cannot_be_balanced(theta):
    parts = theta.distiller
    parts.distill_losses['logged'] = parts.distill_losses.loss_fmkt
    parts.loss_forward_mappings['logged'] = parts.loss_forward_mappings.loss_fmkt
    with pytest.raises(ValueError, match='losses of the distiller that are trained, loss_fmkt, but got logged'):
        MODELS.build(ConfigDict(theta, log_only=['logged'], balance=dict(losses=['logged'])))


def test_the_weight_stands_in_the_distillers_part_of_a_checkpoint(theta, batch):
    model = build(theta)
    model.loss(*batch)
    state = copy.deepcopy(model.state_dict())
    assert state['distiller.balance.weight'] > 0
    other = build(theta)
    other.load_state_dict(state)
    assert torch.equal(other.distiller.balance.weight, model.distiller.balance.weight)


def test_evaluation_keeps_no_features(theta, batch):
    model = build(theta).eval()
    with torch.no_grad():
        model.architecture.extract_feat(batch[0])
    assert model.distiller.balance.features == []


def test_after_the_distillation_no_features_are_kept(theta, batch):
    model = build(theta)
    model.stop_distillation()
    model.loss(*batch)
    assert model.distiller.balance.features == []


@pytest.mark.parametrize(
    'balance, message',
    [
        (
            dict(losses=['loss_pkd']),
            '`losses` of `balance` must be losses of the distiller that are trained, loss_fmkt, but got loss_pkd',
        ),
        (dict(losses=[]), 'must have the names of `losses`'),
        (dict(losses=['loss_fmkt'], ratio=0), 'a `ratio` above 0.*ratio=0'),
        (dict(losses=['loss_fmkt'], ratio='auto'), "a `ratio` above 0.*ratio='auto'"),
        (dict(losses=['loss_fmkt'], interval=0), 'an `interval` of at least 1.*interval=0'),
    ],
)
def test_another_balance_is_refused(theta, balance, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(ConfigDict(theta, balance=balance))


def test_a_student_whose_neck_is_frozen_is_refused(theta, batch):
    model = build(theta)
    for part in (model.architecture.backbone, model.architecture.neck):
        part.requires_grad_(False)
    with pytest.raises(ValueError, match='`balance` must be used with a student whose backbone or neck is trained'):
        model.loss(*batch)
