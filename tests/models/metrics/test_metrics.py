"""Losses of other libraries as metrics, and those that were made for logits."""

import math

import pytest
import torch
from mmrazor.registry import MODELS
from torch import nn

from mmfmkt.flow import transport
from mmfmkt.models import BinaryKDMetric, FMKTLoss, PerChannelMetric, PerPixelMetric, PKDMetric, QualityFocalMetric
from mmfmkt.models.losses.level_metric import LevelMetric
from mmfmkt.models.metrics import binary_kd
from mmfmkt.models.metrics.build import build_metric

KL, DIST, DKD = (dict(type=f'mmrazor.{name}') for name in ('KLDivergence', 'DISTLoss', 'DKDLoss'))
KD = dict(type='mmdet.KnowledgeDistillationKLDivLoss', T=2)
METRICS = [
    *(
        dict(type=f'mmrazor.{name}')
        for name in (
            'PKDLoss',
            'L1Loss',
            'L2Loss',
            'ChannelWiseDivergence',
            'MGDLoss',
            'ATLoss',
            'KLDivergence',
            'DISTLoss',
            'BinaryKDMetric',
        )
    ),
    *(dict(type=f'mmdet.{name}') for name in ('MSELoss', 'L1Loss', 'SmoothL1Loss')),
    *(
        dict(type=f'mmrazor.{form}', metric=metric)
        for form in ('PerPixelMetric', 'PerChannelMetric')
        for metric in (KL, DIST, DKD, KD)
    ),
]


def name(config):
    return '-'.join(
        config[key].split('.')[1]
        for config, key in [(config, 'type')] + ([(config['metric'], 'type')] if 'metric' in config else [])
    )


def standing(feature):
    """The trajectory of a flow that is the identity."""
    return transport(feature, lambda state, t: torch.zeros_like(state), 2)


@pytest.mark.parametrize('metric', [KL, DIST, DKD, KD, dict(type='mmrazor.BinaryKDMetric')], ids=name)
def test_metrics_of_logits_take_rows(metric, source, target):
    logits, of_teacher = source.flatten(2).flatten(0, 1), target.flatten(2).flatten(0, 1)
    loss = FMKTLoss(metric)
    assert 0 <= loss([standing(of_teacher)], of_teacher) + 1e-9 < loss([standing(logits)], of_teacher)


@pytest.mark.parametrize('metric', METRICS, ids=name)
def test_every_metric_has_a_gradient_and_is_least_at_the_target(metric, source, target, curved):
    """Whatever the names of its arguments, and in memory layouts of any kind."""
    source = source.to(memory_format=torch.channels_last).requires_grad_()
    loss = FMKTLoss(metric)
    value = loss({0: transport(source, curved, 2)}, [target])
    value.backward()
    assert value.isfinite() and source.grad.isfinite().all() and source.grad.norm() > 0
    at_target = loss({0: standing(target)}, [target])
    assert at_target < value
    for seed in range(5):
        noise = torch.randn(target.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert at_target < loss({0: standing(target + 0.1 * noise)}, [target])


def test_per_pixel_compares_the_channels_of_every_location(source, target):
    value = PerPixelMetric(KL)(source, target)
    pixels = [
        MODELS.build(KL)(source[b, :, y, x][None], target[b, :, y, x][None])
        for b in range(2)
        for y in range(5)
        for x in range(4)
    ]
    torch.testing.assert_close(value, sum(pixels) / len(pixels), rtol=1e-12, atol=0)


def test_per_channel_compares_the_locations_of_every_channel(source, target):
    value = PerChannelMetric(KL)(source, target)
    channels = [
        MODELS.build(KL)(source[b, c].reshape(1, -1), target[b, c].reshape(1, -1)) for b in range(2) for c in range(6)
    ]
    torch.testing.assert_close(value, sum(channels) / len(channels), rtol=1e-12, atol=0)


def test_per_channel_kl_is_cwd(source, target):
    cwd = MODELS.build(dict(type='mmrazor.ChannelWiseDivergence', tau=2.0))
    torch.testing.assert_close(
        PerChannelMetric(dict(KL, tau=2.0))(source, target), cwd(source, target), rtol=1e-12, atol=0
    )


def test_groups_split_the_anchors_of_a_location(source, target):
    value = PerPixelMetric(KL, groups=2)(source, target)
    halves = [PerPixelMetric(KL)(source[:, part], target[:, part]) for part in (slice(0, 3), slice(3, 6))]
    torch.testing.assert_close(value, sum(halves) / 2, rtol=1e-12, atol=0)


def test_rows_of_logits_are_compared_as_they_are(source, target):
    logits = source.flatten(1), target.flatten(1)
    assert torch.equal(PerPixelMetric(KL)(*logits), MODELS.build(KL)(*logits))


def test_dkd_takes_the_teachers_most_likely_class_as_the_label(source, target):
    logits, of_teacher = source.flatten(2).flatten(0, 1), target.flatten(2).flatten(0, 1)
    expected = MODELS.build(DKD)(logits, of_teacher, of_teacher.argmax(1))
    assert torch.equal(build_metric(DKD)(logits, of_teacher), expected)


def test_binary_kd_is_the_divergence_of_bernoulli_distributions():
    """Of probability 3/4 from 1/2: ln 2 - H(3/4), by hand."""
    teacher, student = torch.full((5, 1), math.log(3), dtype=torch.float64), torch.zeros(5, 1, dtype=torch.float64)
    by_hand = math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    assert BinaryKDMetric()(student, teacher).item() == pytest.approx(by_hand, rel=1e-12)
    assert BinaryKDMetric()(teacher, teacher).item() == pytest.approx(0, abs=1e-15)


def test_binary_kd_sums_classes_and_averages_locations(source, target):
    of_classes = [BinaryKDMetric(tau=2.0)(source[:, [k]], target[:, [k]]) for k in range(6)]
    torch.testing.assert_close(BinaryKDMetric(tau=2.0)(source, target), sum(of_classes), rtol=1e-12, atol=0)


@pytest.mark.parametrize('metric', [BinaryKDMetric(reduction='objects'), QualityFocalMetric()])
def test_the_mean_of_two_processes_is_the_loss_of_both_batches(monkeypatch, metric):
    """One of them has more objects: each divides by the mean of both."""
    torch.manual_seed(0)
    teacher = torch.cat([torch.full((6, 3), 2.0), torch.full((6, 3), -2.0)]).double()
    student = torch.randn(12, 3, dtype=torch.float64)
    expected = metric(student, teacher)
    reported = teacher.sigmoid().amax(1)
    monkeypatch.setattr(binary_kd, 'all_reduce', lambda total, how: total.copy_(reported.sum() / 2))
    halves = [metric(student[half], teacher[half]) for half in (slice(0, 6), slice(6, 12))]
    torch.testing.assert_close(sum(halves) / 2, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize('metric', [BinaryKDMetric(reduction='objects'), QualityFocalMetric()])
def test_metrics_that_count_anchors_refuse_maps_which_do_not_tell_them(metric, source, target):
    with pytest.raises(ValueError, match=r'must get rows .*maps of the shape \(2, 6, 5, 4\); wrap it .*groups=A'):
        metric(source, target)
    wrapped = PerPixelMetric(dict(type='mmrazor.QualityFocalMetric'), groups=2)
    rows = [feature.permute(0, 2, 3, 1).reshape(-1, 3) for feature in (source, target)]
    torch.testing.assert_close(wrapped(source, target), QualityFocalMetric()(*rows), rtol=1e-12, atol=0)


class FarthestPKD(PKDMetric):
    """A metric of one's own, made of one that compares many at once."""

    reads = ('boxes',)

    def forward(self, student, teacher, boxes):
        return 7 + 0 * student.sum() + sum(len(of_image) for of_image in boxes)


def test_a_metric_that_extends_another_is_compared_by_its_own_forward(source, target):
    metric = LevelMetric(FarthestPKD(), None, 1.0)
    boxes = [torch.zeros(2, 4)] * len(source)
    distances = metric.distances([source, target], target, dict(boxes=boxes))
    assert [distance.item() for distance in distances] == [7 + 2 * len(source)] * 2


@MODELS.register_module()
class ThreeInputLoss(nn.Module):
    def forward(self, student, teacher, masks):
        return (student - teacher).mean()


def test_a_loss_with_a_third_input_is_refused_by_its_signature():
    with pytest.raises(
        ValueError, match=r'metric\(student, teacher\), but ThreeInputLoss wants \(student, teacher, masks\)'
    ):
        FMKTLoss(dict(type='mmrazor.ThreeInputLoss'))


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="`metric` must be the config of a .*but got {'type': 'mmrazor.Nonsense'}"):
        FMKTLoss(dict(type='mmrazor.Nonsense'))


def test_a_metric_that_returns_a_map_is_refused(source, target, curved):
    with pytest.raises(
        ValueError, match=r"`metric` must return a scalar, but L1Loss returned .*\(2, 6, 5, 4\).*'mean'"
    ):
        FMKTLoss(dict(type='mmrazor.L1Loss', reduction='none'))({0: transport(source, curved, 1)}, [target])


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: PerPixelMetric(KL, groups=0), '`groups` of PerPixelMetric must be at least 1, but got 0'),
        (lambda: BinaryKDMetric(tau=0), '`tau` must be above 0 and `loss_weight` at least 0, but got 0'),
    ],
)
def test_settings_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_groups_that_do_not_divide_the_channels_are_refused(source, target):
    with pytest.raises(ValueError, match='must divide the channels, 6, but got 4'):
        PerPixelMetric(KL, groups=4)(source, target)
