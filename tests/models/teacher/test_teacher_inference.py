"""The teacher runs fast, and makes the features that it makes."""

import copy
import math

import pytest
import torch
from helpers import gradients, total, wake
from mmdet.models.necks import FPN
from mmdet.registry import MODELS as DETECTORS
from mmrazor.registry import MODELS
from torch import nn

from mmfmkt.models.teacher.teacher_inference import TeacherInference, difference

PLAIN = dict(precision='float32', channels_last=False, fold_bn=False)
FLOAT32, BF16 = 1e-4, 0.02  # relative


def build(config, **inference):
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy({**config, 'teacher_inference': inference})).train()
    wake(model, 0.1)
    return model


def features(model, batch):
    return model.teacher.extract_features(*batch)


@pytest.mark.parametrize('kind', ['fmkt', 'theta'])
@pytest.mark.parametrize(
    'inference, tolerance',
    [
        (dict(PLAIN, channels_last=True), FLOAT32),
        (dict(PLAIN, fold_bn=True), FLOAT32),
        (dict(precision='float32'), FLOAT32),
        (dict(precision='bfloat16'), BF16),
        (dict(), BF16),
    ],
)
def test_losses_and_gradients_with_and_without_preparation_agree(request, kind, inference, tolerance, batch):
    plain, fast = (build(request.getfixturevalue(kind), **settings) for settings in (PLAIN, inference))
    expected, losses = plain.loss(*batch), fast.loss(*batch)
    assert losses['distill.loss_fmkt'].dtype == torch.float32
    torch.testing.assert_close(losses['distill.loss_fmkt'], expected['distill.loss_fmkt'], rtol=tolerance, atol=0)
    of_plain, of_fast = (
        gradients(model, total(all_losses)) for model, all_losses in ((plain, expected), (fast, losses))
    )
    for name, gradient in of_fast.items():
        assert (gradient - of_plain[name]).norm() <= 5 * tolerance * of_plain[name].norm() + 1e-7, name


def test_the_students_part_of_the_loss_does_not_depend_on_how_the_teacher_runs(theta, batch):
    plain, fast = (build(theta, **settings).loss(*batch) for settings in (PLAIN, {}))
    for name in ('loss_cls', 'loss_bbox'):
        assert all(map(torch.equal, plain[name], fast[name]))


def test_backbone_and_neck_are_folded_and_kept_in_low_precision(theta, batch):
    model = build(theta, precision='bfloat16')
    model.loss(*batch)
    modules = [*model.teacher.detector.backbone.modules(), *model.teacher.detector.neck.modules()]
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    assert convolutions and all(module.weight.dtype == torch.bfloat16 for module in convolutions)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)
    assert not any(parameter.requires_grad for parameter in model.teacher.detector.parameters())


@pytest.mark.parametrize('inference', [{}, dict(precision='bfloat16')])
def test_features_are_left_in_the_precision_and_layout_of_the_student(theta, batch, inference):
    model = build(theta, **inference)
    model.loss(*batch)
    assert all(feature.dtype == torch.float32 and feature.is_contiguous() for feature in features(model, batch))


def test_a_teacher_is_prepared_with_the_first_batch_of_a_training_alone(theta, batch):
    model = build(theta)
    assert not model.teacher.running and hasattr(model.teacher.detector, 'bbox_head')
    model.loss(*batch)
    running, weights = model.teacher.running, copy.deepcopy(model.teacher.detector.state_dict())
    model.loss(*batch)
    assert model.teacher.running is running and not hasattr(model.teacher.detector, 'bbox_head')
    for key, value in model.teacher.detector.state_dict().items():
        assert torch.equal(value, weights[key]), key


def test_a_head_that_is_read_stays(theta, batch):
    theta.distiller.teacher_recorders.scores = dict(type='mmrazor.ModuleOutputs', source='bbox_head.retina_cls')
    model = build(theta)
    model.loss(*batch)
    assert hasattr(model.teacher.detector, 'bbox_head')


def test_a_teacher_whose_inside_is_recorded_runs_as_it_is(theta, batch):
    theta.distiller.teacher_recorders.stem = dict(type='mmrazor.ModuleOutputs', source='backbone.conv1')
    model = build(theta)
    expected = features(model, batch)
    model.loss(*batch)
    assert not model.teacher.running and all(map(torch.equal, features(model, batch), expected))


@DETECTORS.register_module()
class FPNInFloat32(FPN):
    """A neck with an operator that knows one precision."""

    def forward(self, inputs):
        if inputs[0].dtype != torch.float32:
            raise RuntimeError('"neck" not implemented for BFloat16')
        return super().forward(inputs)


@DETECTORS.register_module()
class FPNOfContiguous(FPN):
    """A neck with an operator that takes the memory of any map for one in the default layout."""

    def forward(self, inputs):
        read = [torch.as_strided(x, x.shape, torch.empty(x.shape, device='meta').stride()) for x in inputs]
        return super().forward(tuple(read))


@pytest.mark.parametrize('neck, layout, folded', [('FPNInFloat32', True, True), ('FPNOfContiguous', False, False)])
def test_what_the_teacher_cannot_do_is_left_out(theta, batch, neck, layout, folded):
    theta.teacher.neck.type = neck
    model = build(theta, precision='bfloat16')
    expected = features(model, batch)
    model.loss(*batch)
    running = model.teacher.running
    assert (running.precision, running.channels_last, running.fold_bn) == ('float32', layout, folded)
    for feature, other in zip(features(model, batch), expected):
        torch.testing.assert_close(feature, other, rtol=FLOAT32, atol=1e-5)


def test_a_feature_of_nan_at_any_level_is_a_difference():
    whole, broken = torch.ones(2), torch.tensor([1.0, float('nan')])
    for features in ([whole, broken], [broken, whole]):
        assert math.isnan(difference(features, [whole, whole]))


def test_the_teacher_is_prepared_by_its_features_in_float32_whatever_the_precision_of_the_training(theta, batch):
    model, seen = build(theta, precision='float32'), []
    convolution = model.teacher.detector.backbone.conv1
    convolution.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    with torch.autocast('cpu', torch.bfloat16):
        model.teacher.prepare(*batch)
    assert seen == [torch.float32] * 2


@DETECTORS.register_module()
class FPNWithNormBeforeConv(FPN):
    """A neck whose order of modules looks like a convolution and its norm, of other channels."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.last = nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(4))


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
@pytest.mark.parametrize('neck', ['FPNWithNormBeforeConv', 'FPNWithTwoNorms'])
def test_batch_norms_that_share_a_convolution_or_fit_none_are_all_that_is_left_out(theta, batch, neck, precision):
    """Nothing can be told from the order of the modules: here two norms follow one convolution, or one of others."""
    theta.teacher.neck.type = neck
    torch.save(DETECTORS.build(theta.teacher).state_dict(), theta.teacher_ckpt)
    model = build(theta, precision=precision)
    expected = features(model, batch)
    model.loss(*batch)
    assert model.teacher.running == TeacherInference(precision=precision, fold_bn=False)
    assert difference(features(model, batch), expected) < (FLOAT32 if precision == 'float32' else BF16)


@DETECTORS.register_module()
class FPNWithTwoNorms(FPN):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.shared, self.first = nn.Conv2d(self.out_channels, self.out_channels, 1), nn.BatchNorm2d(self.out_channels)
        self.second = nn.BatchNorm2d(self.out_channels)
        nn.init.constant_(self.first.running_mean, 3.0)

    def forward(self, inputs):
        fine, *coarse = super().forward(inputs)
        return (self.first(self.shared(fine)), *(self.second(self.shared(feature)) for feature in coarse))


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(precision='int8'), r"`teacher_inference.precision` must be 'auto', .* but got 'int8'"),
        (
            dict(compile='reduce-overhead'),
            '`teacher_inference.compile` must be a mode of torch.compile without CUDA graphs, .*: default, '
            "max-autotune-no-cudagraphs, or None, but got 'reduce-overhead'",
        ),
        (dict(compile='max-autotune'), "without CUDA graphs, .* but got 'max-autotune'"),
    ],
)
def test_wrong_options_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        TeacherInference(**wrong)


@pytest.mark.slow
def test_a_compiled_teacher_makes_the_same_features(theta, batch):
    model = build(theta, precision='float32', compile='default')
    expected = features(model, batch)
    model.loss(*batch)
    assert model.teacher.running.compile == 'default'
    for feature, other in zip(features(model, batch), expected):
        torch.testing.assert_close(feature, other, rtol=FLOAT32, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='a stream of its own, and compiling for a GPU, want one')
@pytest.mark.parametrize('inference', [dict(side_stream=True), dict(compile='default')])
def test_losses_with_a_side_stream_and_of_a_compiled_teacher_agree_on_a_gpu(theta, batch, inference):
    inputs, samples = batch[0].cuda(), [sample.cuda() for sample in batch[1]]
    plain, fast = (build(theta, precision='float32', **settings).cuda() for settings in ({}, inference))
    for _ in range(3):
        expected, losses = plain.loss(inputs, samples), fast.loss(inputs, samples)
        torch.testing.assert_close(losses['distill.loss_fmkt'], expected['distill.loss_fmkt'], rtol=1e-3, atol=0)
    assert fast.teacher.running == fast.teacher.inference  # and is not what takes its place
