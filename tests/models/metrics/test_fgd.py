"""FGD against values computed by hand."""

import math

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmfmkt.flow import transport
from mmfmkt.models import FeatureLoss, FGDMetric, FMKTLoss, LogitLoss, OwnOutput
from mmfmkt.models.losses.ground_truth import relative_boxes
from mmfmkt.models.metrics.fgd import GlobalContext, attentions, focal_weights

ONLY = dict(alpha=0.0, beta=0.0, gamma=0.0, lambda_=0.0)
LEFT = [torch.tensor([[0.0, 0.0, 0.5, 1.0]], dtype=torch.float64)]


def test_a_location_weighs_one_over_the_smallest_box_around_it_or_over_the_background():
    """4 x 4 locations; a box of 4 x 2, in it one of 1 x 1, and one of no size outside of the image."""
    boxes = torch.tensor([[0, 0, 0.5, 1], [0.25, 0.25, 0.45, 0.5], [1, 1, 1, 1]], dtype=torch.float64)
    weights = focal_weights(boxes, 4, 4, alpha=8.0, beta=80.0)
    expected = torch.full((4, 4), 10.0, dtype=torch.float64)  # 80 over 8 locations
    expected[:, :2] = 1.0
    expected[1, 1] = 8.0
    assert torch.equal(weights, expected)


@pytest.mark.parametrize('boxes, weight', [(torch.zeros(0, 4), 1 / 6), (torch.tensor([[0.0, 0.0, 1.0, 1.0]]), 3 / 6)])
def test_an_image_may_be_all_background_or_all_box(boxes, weight):
    assert torch.allclose(focal_weights(boxes, 2, 3, alpha=3.0, beta=1.0), torch.full((2, 3), weight))


def test_attention_is_a_softmax_of_mean_magnitudes_with_a_mean_of_one():
    feature = torch.zeros(1, 2, 1, 2, dtype=torch.float64)
    feature[0, 0, 0, 1] = -math.log(3)  # the mean over channels is log 3 / 2, and T = 0.5
    spatial, channel = attentions(feature, temperature=0.5)
    assert spatial.flatten().tolist() == pytest.approx([0.5, 1.5])
    assert channel.flatten().tolist() == pytest.approx([1.5, 0.5])


def test_the_focal_terms_weigh_the_squared_error_with_the_teachers_attention():
    teacher = torch.ones(1, 2, 1, 2, dtype=torch.float64)  # all attention is 1
    student = teacher - torch.tensor([[1.0, 3.0], [0.0, 0.0]], dtype=torch.float64)[None, :, None]
    assert FGDMetric(2, **dict(ONLY, alpha=5.0)).double()(student, teacher, LEFT).item() == pytest.approx(5 * 1)
    assert FGDMetric(2, **dict(ONLY, beta=7.0)).double()(student, teacher, LEFT).item() == pytest.approx(7 * 9)


def test_the_attention_term_is_the_distance_of_both_attentions_an_image():
    teacher = torch.ones(1, 2, 1, 2, dtype=torch.float64).repeat(3, 1, 1, 1)
    student = torch.zeros_like(teacher)
    student[:, 0, 0, 1] = math.log(3)
    assert FGDMetric(2, **dict(ONLY, gamma=2.0)).double()(student, teacher, LEFT * 3).item() == pytest.approx(
        2 * (1 + 1)
    )


def test_the_global_term_is_the_squared_error_while_the_contexts_are_the_identity(source, target):
    metric = FGDMetric(6, **dict(ONLY, lambda_=1.0)).double()
    assert metric(source, target, LEFT * 2).item() == pytest.approx((source - target).square().sum().item() / 2)


def test_a_context_is_added_at_every_location(source):
    context = GlobalContext(6).double()
    torch.nn.init.normal_(context.add[-1].weight)
    torch.nn.init.zeros_(context.mask.weight)  # then every location has the same part in it
    added = context(source) - source
    mean = source.mean((2, 3), keepdim=True)
    assert torch.allclose(added, added[..., :1, :1].expand_as(added))
    assert torch.allclose(added[..., :1, :1], context.add(mean))


def test_all_parameters_are_trained_once_the_contexts_move(source, target):
    metric = FGDMetric(6).double()
    torch.nn.init.normal_(metric.student_context.add[-1].weight)
    torch.nn.init.normal_(metric.teacher_context.add[-1].weight)
    metric(source, target, LEFT * 2).backward()
    assert all(parameter.grad.norm() > 0 for name, parameter in metric.named_parameters() if 'mask.bias' not in name)


def test_boxes_are_in_units_of_the_padded_batch_and_stay_in_it():
    sample = DetDataSample(metainfo=dict(img_shape=(50, 100), batch_input_shape=(100, 200)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[-20.0, 10.0, 100.0, 120.0]]))
    assert relative_boxes(sample).tolist() == [[0.0, pytest.approx(0.1), 0.5, 1.0]]


def test_the_loss_hands_the_boxes_to_the_metric_of_every_level(source, target):
    sample = DetDataSample(metainfo=dict(batch_input_shape=(8, 8)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[0.0, 0.0, 4.0, 8.0]], dtype=torch.float64))
    torch.manual_seed(0)
    metric = FGDMetric(6).double()
    config = dict(type='mmrazor.FGDMetric', teacher_channels=6)
    loss = FeatureLoss([config, config], loss_weight=3.0).double()
    value = loss([source, source[..., :2, :2]], [target, target[..., :2, :2]], [sample, sample])
    boxes = LEFT * 2
    expected = 3 * (metric(source, target, boxes) + metric(source[..., :2, :2], target[..., :2, :2], boxes))
    assert value.item() == pytest.approx(expected.item())


@pytest.fixture
def sample():
    sample = DetDataSample(metainfo=dict(batch_input_shape=(8, 8)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[0.0, 0.0, 4.0, 8.0]], dtype=torch.float64))
    return sample


def test_every_step_of_a_flow_is_measured_with_the_boxes(source, target, curved, sample):
    torch.manual_seed(0)
    metric, trajectory = FGDMetric(6).double(), transport(source, curved, 2)
    config = dict(type='mmrazor.FGDMetric', teacher_channels=6)
    steps = [metric(endpoint, target, LEFT * 2) for endpoint in trajectory.endpoints]
    pull = metric(source, trajectory.output, LEFT * 2)
    plain, theta = FMKTLoss(config).double(), FMKTLoss(config, student_weight=2.0).double()
    for loss in (plain, theta):
        loss.level_metrics[0].metric.load_state_dict(metric.state_dict())
    torch.testing.assert_close(plain([trajectory], [target], [sample] * 2), sum(steps) / 2, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        theta([trajectory], [target], [sample] * 2), sum(steps) / 2 + 2 * pull, rtol=1e-12, atol=0
    )


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match='`temperature` of FGD must be above 0, but got 0'):
        FGDMetric(2, temperature=0)


def test_the_flows_own_output_is_measured_with_the_boxes_too(source, curved, sample):
    torch.manual_seed(0)
    metric, trajectory = FGDMetric(6).double(), transport(source, curved, 2)
    loss = FMKTLoss(dict(type='mmrazor.FGDMetric', teacher_channels=6), target=OwnOutput()).double()
    loss.level_metrics[0].metric.load_state_dict(metric.state_dict())
    steps = [metric(endpoint, trajectory.output, LEFT * 2) for endpoint in trajectory.endpoints]
    torch.testing.assert_close(loss([trajectory], data_samples=[sample] * 2), sum(steps) / 2, rtol=1e-12, atol=0)


def test_a_metric_that_wants_boxes_must_say_that_it_reads_them(monkeypatch):
    monkeypatch.setattr(FGDMetric, 'reads', ())
    with pytest.raises(ValueError, match=r'one that reads boxes says reads = \("boxes", \)'):
        FeatureLoss(dict(type='mmrazor.FGDMetric', teacher_channels=6))


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match='of FGD must be at least 0, but got -1, 0.0005, 0.001 and 5e-06'):
        FGDMetric(2, alpha=-1)


def test_a_loss_whose_metric_reads_boxes_is_refused_where_there_are_none(source, target, curved):
    loss = FMKTLoss(dict(type='mmrazor.FGDMetric', teacher_channels=6)).double()
    with pytest.raises(
        ValueError, match='must get `data_samples`, because its metric reads boxes, but it does not: add'
    ):
        loss([transport(source, curved, 2)], [target])


@pytest.mark.parametrize(
    'reads, message', [(('box',), 'must have names of boxes, but .* has box'), ('boxes', 'must be a tuple')]
)
def test_what_a_metric_reads_must_be_there(reads, message):
    metric = FGDMetric(6)
    metric.reads = reads
    metric.forward = lambda student, teacher, box: None
    with pytest.raises(ValueError, match=message):
        FeatureLoss(metric)


def test_a_loss_of_logits_has_no_boxes():
    with pytest.raises(ValueError, match='must be a metric of logits alone, but FGDMetric reads boxes besides'):
        LogitLoss(dict(type='mmrazor.FGDMetric', teacher_channels=6))
