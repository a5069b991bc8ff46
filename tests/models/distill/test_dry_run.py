"""What does not fit is found when the algorithm is built, before anything is trained."""

import copy

import pytest
import torch
from detectors import CLASSES, SIZES, batch_for, shrink, tiny
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from mmrazor.registry import MODELS

from mmfmkt.models.distill import dry_run, fmkt_distill
from mmfmkt.pairing.pair import pair_config


@pytest.fixture
def with_teacher(tmp_path):
    """The config with another teacher, whose weights are random."""

    def change(config, teacher):
        path = tmp_path / 'changed.pth'
        torch.save(DETECTORS.build(teacher).state_dict(), path)
        return dict(config, teacher=teacher, teacher_ckpt=str(path))

    return change


@pytest.fixture(params=['fmkt', 'theta'])
def config(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def wide(retinanet):
    """A teacher of 24 channels instead of 16."""
    wide = retinanet.copy()
    wide.neck = dict(wide.neck, out_channels=24)
    wide.bbox_head = dict(wide.bbox_head, in_channels=24)
    return wide


def test_channels_that_differ_without_a_projection_are_refused(config, wide, with_teacher):
    with pytest.raises(
        ValueError, match=r'got \(B, C, H, W\) = \(1, 16, 32, 32\) and \(1, 24, 32, 32\); set `transform`'
    ):
        MODELS.build(with_teacher(config, wide))


def test_a_backbone_of_several_branches_is_for_teachers_alone(tmp_path):
    model = shrink(
        get_config('mmdet::tridentnet/tridentnet_r50-caffe_1x_coco.py').model, dict(SIZES, num_classes=CLASSES)
    )
    model.merge(dict(backbone=dict(base_channels=4), roi_head=dict(shared_head=dict(depth=18, stage=1))))
    trident, plain = DETECTORS.build(model), tiny('faster_rcnn_c4')
    for parameter in trident.parameters():  # which TridentConv leaves to what was in the memory
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(trident.state_dict(), tmp_path / 'teacher.pth')
    student, other = (pair_config(each, model, str(tmp_path / 'teacher.pth'), 'pkd') for each in (model, plain))
    with pytest.raises(ValueError, match='one pyramid of an image, .* its TridentResNet makes 3, one for each branch'):
        MODELS.build(ConfigDict(student))
    losses = MODELS.build(ConfigDict(other)).train().loss(*batch_for('faster_rcnn_c4'))
    assert losses['distill.loss_feature'].isfinite()


def test_channels_that_differ_are_projected(config, wide, with_teacher, batch):
    config.distiller.distill_losses.loss_fmkt.transform = [
        dict(type='mmrazor.ConvModuleConnector', in_channel=16, out_channel=24, act_cfg=None) for _ in range(3)
    ]
    model = MODELS.build(with_teacher(config, wide)).train()
    model.loss(*batch)['distill.loss_fmkt'].backward()
    projections = list(model.distiller.distill_losses.parameters())
    assert len(projections) == 6 and all(parameter.grad.norm() > 0 for parameter in projections[::2])


@pytest.mark.parametrize('metric', ['FGDMetric', 'DiffKDMetric'])
def test_a_metric_of_other_channels_is_refused(theta, metric):
    loss = dict(type='mmrazor.FeatureLoss', metric=dict(type=f'mmrazor.{metric}', teacher_channels=24))
    records = {
        f'{side}_features': dict(recorder='pyramid', from_student=side == 'student') for side in ('student', 'teacher')
    }
    pyramid, recorded = dict(type='mmrazor.ModuleOutputs', source='neck'), {}
    if metric == 'FGDMetric':
        recorded['data_samples'] = dict(type='mmrazor.DataSamples')
        records['data_samples'] = dict(recorder='data_samples', from_student=True)
    theta.distiller = dict(
        type='mmrazor.ConfigurableDistiller',
        student_recorders=dict(pyramid=pyramid, **recorded),
        teacher_recorders=dict(pyramid=pyramid),
        distill_losses=dict(loss_feature=loss),
        loss_forward_mappings=dict(loss_feature=records),
    )
    with pytest.raises(ValueError, match=r'loss_feature .* must fit the features .* to have 24 channels, but got 16'):
        MODELS.build(theta)


def test_strides_that_differ_are_refused(config, retinanet, with_teacher):
    coarse = retinanet.copy()
    coarse.neck = dict(coarse.neck, start_level=2)
    with pytest.raises(ValueError, match=r'\(1, 16, 32, 32\) and \(1, 16, 16, 16\)'):
        MODELS.build(with_teacher(config, coarse))


def test_a_meta_encoder_of_other_channels_is_refused(config, flow):
    flow['meta_encoder']['channels'] = 32
    if 'flow' in config.architecture.neck:
        config.architecture.neck.flow = flow
    else:
        config.distiller.connectors.flow.flow = flow
    with pytest.raises(ValueError, match='the flow transports, 16, but got 32'):
        MODELS.build(config)


def test_a_level_that_the_pyramid_lacks_is_refused(theta):
    theta.distiller.connectors.flow.flow.levels = (0, 5)
    with pytest.raises(ValueError, match=r'which has 3 \(0 to 2\), but got \[0, 5\]'):
        MODELS.build(theta)


def test_a_part_of_the_teacher_that_never_runs_is_refused(config):
    config.distiller.teacher_recorders.pyramid.source = 'data_preprocessor'
    with pytest.raises(
        ValueError, match='must listen to a part of the teacher that runs, backbone, neck, .*got data_prep'
    ):
        MODELS.build(config)


def test_a_teacher_module_that_does_not_run_is_refused(config):
    config.distiller.teacher_recorders.pyramid.source = 'bbox_head.loss_cls'
    with pytest.raises(ValueError, match="'pyramid' with the source 'bbox_head.loss_cls' saw nothing"):
        MODELS.build(config)


def test_heads_that_no_loss_of_fmkt_reads_are_not_run(config, monkeypatch):
    config.distiller.student_recorders.head = dict(type='mmrazor.ModuleOutputs', source='bbox_head')
    monkeypatch.setattr('mmdet.models.RetinaSepBNHead.forward', None)
    MODELS.build(config)


def test_nothing_recorded_stays_in_memory(config, batch):
    model = MODELS.build(config).train()
    recorders = [
        *model.distiller.student_recorders.recorders.values(),
        *model.distiller.teacher_recorders.recorders.values(),
    ]
    assert len(recorders) == 2 and not any(recorder.data_buffer for recorder in recorders)
    model.loss(*batch)
    assert not any(recorder.data_buffer for recorder in recorders)
    copy.deepcopy(model)


def test_building_leaves_modes_statistics_and_gradients_alone(config):
    model = MODELS.build(config)
    assert all(module.training for module in model.modules())
    assert not any(module.training for module in model.teacher.detector.modules())
    for name, value in model.named_buffers():
        if name.endswith('running_mean'):
            assert not value.any(), name
        if name.endswith('num_batches_tracked'):
            assert value == 0, name
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_check_draws_no_random_numbers(config, monkeypatch):
    config.distiller.distill_losses.loss_fmkt.transform = dict(
        type='mmrazor.MGDConnector', student_channels=16, teacher_channels=16
    )  # masks at random
    following = []
    for check in (fmkt_distill.check_losses, lambda *args: None):
        monkeypatch.setattr(fmkt_distill, 'check_losses', check)
        torch.manual_seed(0)
        MODELS.build(config)
        following.append(torch.rand(3))
    assert torch.equal(*following)


def test_what_only_a_whole_iteration_runs_is_not_checked(config):
    """A loss that reads the input of the box loss cannot be computed without ground truth."""
    config.distiller.student_recorders.late = dict(type='mmrazor.ModuleOutputs', source='bbox_head.loss_bbox')
    mapping = next(iter(config.distiller.loss_forward_mappings.values()))
    mapping.teacher_features = dict(recorder='late', from_student=True)
    assert MODELS.build(config).distiller.student_recorders.get_recorder('late').data_buffer == []


def test_a_detector_that_cannot_run_on_a_cpu_is_not_checked(config, monkeypatch):
    class GPUOnly(torch.nn.Conv2d):
        def forward(self, x):
            raise NotImplementedError('only on a GPU')

    logged = []
    monkeypatch.setattr(dry_run, 'print_log', lambda message, *args: logged.append(message))
    monkeypatch.setattr(
        'mmdet.models.backbones.resnet.build_conv_layer', lambda cfg, *args, **kwargs: GPUOnly(*args, **kwargs)
    )
    model = MODELS.build(config)
    with pytest.raises(NotImplementedError):
        model.architecture.extract_feat(torch.zeros(1, 3, 64, 64))
    assert model.training and model.architecture.training
    assert 'were not compared before training' in logged[0] and 'only on a GPU' in logged[0]
