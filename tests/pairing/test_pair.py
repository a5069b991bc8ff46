"""From two configs to a distillation: any student, any teacher."""

import copy

import pytest
import torch
from detectors import WIDTH, batch_for, tiny
from helpers import gradients, total, wake
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.logging import MessageHub
from mmrazor.registry import MODELS

from mmfmkt.deploy.export import export_student
from mmfmkt.pairing.pair import pair_config

# student, teacher -> strides of the levels that are transported
PAIRS = {
    ('retinanet', 'retinanet_x101'): [8, 16, 32, 64],
    ('fcos', 'gfl'): [8, 16, 32, 64],
    ('gfl', 'fcos'): [8, 16, 32, 64],
    ('atss', 'atss_dyhead'): [8, 16, 32, 64],
    ('vfnet', 'tood'): [8, 16, 32, 64],
    ('tood', 'vfnet'): [8, 16, 32, 64],
    ('reppoints', 'retinanet'): [8, 16, 32, 64],
    ('faster_rcnn', 'cascade_rcnn'): [4, 8, 16, 32],
    ('mask_rcnn', 'mask_rcnn_swin'): [4, 8, 16, 32],
    ('cascade_rcnn', 'htc'): [4, 8, 16, 32],
    ('faster_rcnn_pafpn', 'faster_rcnn_hrnet'): [4, 8, 16, 32],
    ('deformable_detr', 'dino'): [8, 16, 32, 64],
    # mixed
    ('retinanet', 'faster_rcnn'): [8, 16, 32, 64],  # a teacher of two stages, whose pyramid starts at another stride
    ('fcos', 'mask_rcnn_swin'): [8, 16, 32, 64],  # of another kind of backbone
    ('yolox', 'retinanet'): [8, 16, 32],  # three levels of 8 channels, five of 16
    ('rtmdet', 'faster_rcnn_pafpn'): [8, 16, 32],
    ('yolov3_mobilenetv2', 'gfl'): [8, 16, 32],  # levels of different channels, the coarsest first
    ('deformable_detr', 'yolox'): [8, 16, 32],
    ('retinanet', 'deformable_detr'): [8, 16, 32, 64],
    ('dino', 'atss'): [8, 16, 32, 64],  # 256 channels, 16
    ('ddq_detr', 'retinanet'): [8, 16, 32, 64],  # saves some weights under two names after its first iteration
    ('faster_rcnn_c4', 'retinanet'): [16],  # no neck
    ('yolof', 'faster_rcnn'): [32],  # one level
}

LIGHT = dict(type='mmrazor.LightMetaEncoder')


@pytest.fixture
def pair(tmp_path):
    """The config of a pair of tiny detectors: (student, teacher, method, more settings)."""

    def make(student, teacher, method='fmkt-theta', **settings):
        torch.manual_seed(1)
        MessageHub.get_current_instance().update_info('epoch', 0)  # TOOD asks for it
        detector = DETECTORS.build(tiny(teacher))
        detector.init_weights()
        torch.save(dict(state_dict=detector.state_dict(), meta={}), tmp_path / f'{teacher}.pth')
        return ConfigDict(
            pair_config(tiny(student), tiny(teacher), str(tmp_path / f'{teacher}.pth'), method, **settings)
        )

    return make


def names(pair):
    return '<-'.join(pair)


@pytest.mark.parametrize('method', ['fmkt', 'fmkt-theta'])
@pytest.mark.parametrize('names', PAIRS, ids=names)
def test_any_pair_trains_predicts_and_is_exported(pair, names, method, tmp_path, capsys):
    config = pair(*names, method)
    torch.manual_seed(0)
    model = MODELS.build(config).train()
    model.init_weights()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(2):
        losses = model.loss(*batch_for(names[0]))
        assert losses['distill.loss_fmkt'] > 0 and total(losses).isfinite()
        found = gradients(model, total(losses))
        optimizer.step()
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert any('flow' in name and gradient.norm() > 0 for name, gradient in found.items())
    assert 'pred_instances' in model.eval()(*batch_for(names[0]), mode='predict')[0]
    table = capsys.readouterr().out.splitlines()
    assert [int(row.split()[0]) for row in table if row.strip()[:1].isdigit() and len(row.split()) == 5] == PAIRS[names]
    student = {key: value for key, value in model.state_dict().items() if not key.startswith('distiller.')}
    torch.save(dict(state_dict=student, meta={}), tmp_path / 'epoch_1.pth')
    cfg = Config(dict(model=config, custom_imports=dict(imports=['mmfmkt'])))
    export_student(cfg, str(tmp_path / 'epoch_1.pth'), str(tmp_path / 'student.pth'))
    if method == 'fmkt-theta':
        assert 'mmfmkt' not in (tmp_path / 'student.py').read_text()
        DETECTORS.build(tiny(names[0])).load_state_dict(torch.load(tmp_path / 'student.pth')['state_dict'], strict=True)


@pytest.mark.parametrize('name', ['retinanet', 'faster_rcnn', 'deformable_detr'])
@pytest.mark.parametrize('method', ['fmkt', 'fmkt-theta'])
def test_at_weight_zero_losses_and_gradients_are_the_plain_students(pair, name, method):
    teacher = dict(retinanet='gfl', faster_rcnn='mask_rcnn_swin', deformable_detr='dino')[name]
    model = MODELS.build(pair(name, teacher, method, loss=dict(loss_weight=0.0))).train()
    plain = DETECTORS.build(tiny(name)).train()
    model.init_weights()
    plain.load_state_dict(
        {
            key: value
            for key, value in model.state_dict().items()
            if not key.startswith('distiller.') and '.flow.' not in key
        }
    )
    results = []
    for detector in (model, plain):
        torch.manual_seed(0)  # boxes are sampled, and dropout drawn
        losses = detector.loss(*batch_for(name))
        results.append((losses, gradients(detector, total(losses))))
    (losses, found), (expected_losses, expected) = results
    for key, value in expected_losses.items():
        assert torch.equal(
            torch.stack([losses[key]]) if torch.is_tensor(value) else torch.stack(losses[key]),
            torch.stack([value] if torch.is_tensor(value) else value),
        ), key
    for key, gradient in expected.items():
        own = found.get(f'architecture.{key}', found.get(f'architecture.{key}'.replace('neck.', 'neck.neck.', 1)))
        assert torch.equal(own, gradient), key


@pytest.mark.parametrize('method', ['fmkt', 'fmkt-theta'])
def test_in_mixed_precision_the_distillation_is_finite_and_float32(pair, method):
    """With projections, and with a teacher that is normalised otherwise."""
    model = MODELS.build(pair('yolox', 'retinanet', method)).train()
    model.init_weights()
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(*batch_for('yolox'))
    assert losses['distill.loss_fmkt'].dtype == torch.float32
    assert all(gradient.isfinite().all() for gradient in gradients(model, total(losses)).values())


def test_a_teacher_is_named_by_a_file_a_package_or_a_dict(tmp_path):
    name = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
    model = get_config(name).model
    Config(dict(model=model)).dump(tmp_path / 'teacher.py')
    configs = [
        pair_config(tiny('retinanet'), teacher, 'nowhere.pth')
        for teacher in (name, str(tmp_path / 'teacher.py'), model)
    ]
    transforms = [config['distiller']['distill_losses']['loss_fmkt']['transform'] for config in configs]
    assert (
        transforms[0]
        == transforms[1]
        == transforms[2]
        == [dict(type='mmrazor.ConvModuleConnector', in_channel=WIDTH, out_channel=256, act_cfg=None)] * 4
    )


@pytest.mark.parametrize('method', ['ofmkt', 'ofmkt-theta'])
def test_without_a_teacher_the_four_finest_levels_are_transported(method):
    model = MODELS.build(ConfigDict(pair_config(tiny('retinanet'), method=method))).train()
    losses = model.loss(*batch_for('retinanet'))
    assert losses['distill.loss_ofmkt'].isfinite() and model.teacher is None
    (flow,) = (module for module in model.modules() if type(module).__name__ == 'PyramidFlow')
    assert flow.levels == (0, 1, 2, 3)


def test_levels_channels_and_projections_are_written_into_the_config(pair):
    config = pair('yolox', 'faster_rcnn')
    flow, loss = config.distiller.connectors.flow.flow, config.distiller.distill_losses.loss_fmkt
    assert flow.levels == (0, 1, 2) and flow.meta_encoder == dict(type='mmrazor.LightMetaEncoder', channels=WIDTH // 2)
    assert loss.target == dict(type='mmrazor.TeacherTarget', levels=(1, 2, 3)) and loss.loss_weight == 10.0
    assert (
        loss.transform
        == [dict(type='mmrazor.ConvModuleConnector', in_channel=WIDTH // 2, out_channel=WIDTH, act_cfg=None)] * 3
    )


def test_logits_of_box_heads_are_compared_by_a_softmax_beside_features_too():
    losses = {
        name: pair_config(tiny(name), tiny(name), 'nowhere.pth', 'fmkt-feature-logit')['distiller']['distill_losses']
        for name in ('faster_rcnn', 'retinanet')
    }
    metrics = {name: of_name['loss_logit']['metric']['type'] for name, of_name in losses.items()}
    assert metrics == dict(faster_rcnn='mmrazor.KLDivergence', retinanet='mmrazor.BinaryKDMetric')
    assert [losses[name]['loss_fmkt']['loss_weight'] for name in metrics] == [6.0, 10.0]


def test_what_agrees_is_not_written_and_two_stages_weigh_less(pair):
    loss = pair('faster_rcnn', 'cascade_rcnn').distiller.distill_losses.loss_fmkt
    assert loss == dict(
        type='mmrazor.FMKTLoss', loss_weight=6.0, student_weight=1.0, metric=dict(type='mmrazor.PKDMetric')
    )


def test_settings_of_flow_and_loss_are_changed(pair):
    flow = dict(num_steps=8, levels=(1, 2), meta_encoder=dict(type='mmrazor.MLPMetaEncoder'))
    config = pair('retinanet', 'gfl', 'fmkt', flow=flow, loss=dict(loss_weight=3.0), inherit=['neck'])
    assert config.architecture.neck.flow == dict(flow, meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    assert config.distiller.distill_losses.loss_fmkt.loss_weight == 3.0 and config.inherit == ['neck']


def test_writing_out_changes_no_config_that_it_is_given(pair):
    student, teacher = tiny('dino'), tiny('detr')
    before = copy.deepcopy((student, teacher))
    pair_config(student, teacher, 'nowhere.pth', 'fmkt')
    assert (student, teacher) == before


@pytest.mark.parametrize('student', ['cornernet', 'yolov3', 'retinanet'])
def test_what_is_predicted_depends_on_the_flow(student):
    model = MODELS.build(ConfigDict(pair_config(tiny(student), method='ofmkt'))).eval()
    images, samples = batch_for(student)
    with torch.no_grad():
        before = head_outputs(model.architecture, images)
        wake(model)
        after = head_outputs(model.architecture, images)
    assert not torch.allclose(before, after)


def head_outputs(detector, images):
    """What boxes are made of: all outputs of the dense head, and of CornerNet's two stacks those of the last."""
    first = -1 if 'CornerNet' in type(detector).__name__ else 0
    outputs = detector.bbox_head(detector.extract_feat(images))
    return torch.cat([level.flatten() for output in outputs for level in output[first:]])


def test_a_preprocessor_beside_the_model_is_for_a_student_that_has_none(pair):
    """A runner gives it to every model."""
    config, other = pair('retinanet', 'gfl'), dict(type='mmdet.DetDataPreprocessor', mean=[1, 2, 3], std=[4, 5, 6])
    own = MODELS.build(dict(config, data_preprocessor=other))
    assert own.data_preprocessor is own.architecture.data_preprocessor
    assert own.data_preprocessor.mean.flatten().tolist() == pytest.approx(config.architecture.data_preprocessor.mean)
    del config.architecture['data_preprocessor']
    given = MODELS.build(dict(config, data_preprocessor=other))
    assert given.data_preprocessor is given.architecture.data_preprocessor
    assert given.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]


def test_a_list_of_meta_encoders_has_one_for_each_level(pair):
    encoders = [dict(type='mmrazor.MLPMetaEncoder'), LIGHT]
    config = pair('retinanet', 'gfl', flow=dict(levels=(0, 1), meta_encoder=encoders))
    assert config.distiller.connectors.flow.flow.meta_encoder == [dict(encoder, channels=WIDTH) for encoder in encoders]
    shared = pair('retinanet', 'gfl', flow=dict(levels=(0, 1), meta_encoder=encoders[:1], shared=True))
    assert shared.distiller.connectors.flow.flow.meta_encoder == dict(encoders[0], channels=WIDTH)


@pytest.mark.parametrize(
    'settings, message',
    [
        (
            dict(bbox_head=dict(num_classes=3)),
            'but got bbox_head; what belongs to the student is set under `model.architecture`',
        ),
        (dict(flow=dict(levels=2)), '`levels` must list different levels of the pyramid'),
        (dict(flow=dict(meta_encoder=[LIGHT])), 'one for each of the 4 levels .* but got 1'),
        (dict(flow=dict(meta_encoder=[LIGHT] * 5)), 'one for each of the 4 levels .* but got 5'),
        (dict(loss=dict(foo=1)), '`loss` must have arguments of FMKTLoss, metric, loss_weight, .*, but got foo'),
        (dict(loss=dict(levels=(0,))), 'but got levels; the levels of a flow are set by `flow.levels`'),
        (dict(loss=3), '`loss` of a pair must be a dict of settings, but got 3'),
        (
            dict(method='pkd', flow=dict(num_steps=2)),
            '`flow` must be set for a method that has one, fmkt, .* for pkd; levels',
        ),
        (dict(method=['fmkt']), r"one of .*fmkt, .* but got \['fmkt'\]"),
    ],
)
def test_settings_that_a_pair_does_not_have_are_refused(pair, settings, message):
    with pytest.raises(ValueError, match=message):
        pair('retinanet', 'gfl', **settings)


def test_a_level_that_the_teacher_lacks_is_refused(pair):
    with pytest.raises(ValueError, match=r'`levels` must be .*teacher has too, \[0, 1, 2\], but got \[0, 4\]'):
        pair('retinanet', 'yolox', flow=dict(levels=[0, 4]))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="one of .*crosskd, .*student, or a .py file .* but got 'nonsense'"):
        pair_config(tiny('retinanet'), method='nonsense')


def test_detectors_without_a_common_stride_are_refused_with_both_pyramids():
    with pytest.raises(
        ValueError, match=r'(?s)there is none:.*student: level   stride   channels\s+0 +32 .*teacher: level.*\s0 +4 '
    ):
        pair_config(tiny('yolof'), tiny('centernet'), 'nowhere.pth')
