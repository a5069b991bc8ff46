"""The student starts with the teacher's neck and head, as far as they fit."""

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmrazor.registry import MODELS

from mmfmkt.models.distill import inherit as inheritance


@pytest.fixture(params=['fmkt', 'theta'])
def config(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def reports(monkeypatch):
    logged = []
    monkeypatch.setattr(inheritance, 'print_log', lambda message, *args: logged.append(message))
    return logged


def weights_of(model, part):
    return {
        key: value
        for key, value in model.state_dict().items()
        if inheritance.part_of(key) == part and '.flow.' not in key and not key.startswith('distiller')
    }


@pytest.mark.parametrize('parts', [['neck'], ['head'], ['neck', 'head'], 'head'])
def test_parts_are_the_teachers_and_the_others_are_not(config, parts, reports):
    model = MODELS.build(dict(config, inherit=parts))
    model.init_weights()
    for part in ('neck', 'head', 'backbone'):
        of_teacher = weights_of(model.teacher.detector, part)
        same = all(torch.equal(value, of_teacher[key]) for key, value in weights_of(model, part).items())
        assert same == (part in parts), part
    listed = [parts] if isinstance(parts, str) else parts
    assert len(reports) == len(listed) and all(
        f'inherited {len(weights_of(model, part))} of {len(weights_of(model, part))} entries' in report
        for part, report in zip(listed, reports)
    )


def test_the_students_copy_is_its_own(config, reports):
    model = MODELS.build(dict(config, inherit='head'))
    model.init_weights()
    before = model.teacher.detector.bbox_head.retina_cls.weight.clone()
    with torch.no_grad():
        model.architecture.bbox_head.retina_cls.weight.add_(1)
    assert torch.equal(model.teacher.detector.bbox_head.retina_cls.weight, before)


def test_what_does_not_fit_is_reported_with_both_shapes_and_keeps_its_own(theta, retinanet, tmp_path, reports):
    wide = retinanet.copy()
    wide.backbone = dict(wide.backbone, base_channels=8)
    wide.neck = dict(wide.neck, in_channels=[8, 16, 32, 64])
    torch.save(DETECTORS.build(wide).state_dict(), tmp_path / 'wide.pth')
    model = MODELS.build(dict(theta, teacher=wide, teacher_ckpt=str(tmp_path / 'wide.pth'), inherit='neck'))
    model.init_weights()
    assert "inherited 21 of 24 entries of the teacher's neck" in reports[0]
    assert 'neck.lateral_convs.0.conv.weight (teacher (16, 16, 1, 1), student (16, 8, 1, 1))' in reports[0]


def test_a_part_of_which_nothing_fits_is_refused(theta, retinanet, tmp_path):
    teacher = retinanet.copy()
    teacher.bbox_head = dict(
        type='FCOSHead',
        num_classes=10,
        in_channels=16,
        feat_channels=16,
        strides=[8, 16, 32],
        norm_cfg=dict(type='GN', num_groups=4),
        stacked_convs=1,
    )
    torch.save(DETECTORS.build(teacher).state_dict(), tmp_path / 'fcos.pth')
    with pytest.raises(ValueError, match="nothing of the teacher's head fits into the student's: bbox_head"):
        MODELS.build(dict(theta, teacher=teacher, teacher_ckpt=str(tmp_path / 'fcos.pth'), inherit='head'))


def test_an_unknown_part_is_refused(theta):
    with pytest.raises(ValueError, match=r"neck or head, but got \['backbone'\]"):
        MODELS.build(dict(theta, inherit=['backbone']))


def test_without_a_teacher_there_is_nothing_to_inherit_or_evaluate(theta):
    theta.distiller.teacher_recorders, theta.distiller.distill_losses, theta.distiller.loss_forward_mappings = (
        None,
        None,
        None,
    )
    for option in (dict(inherit='head'), dict(evaluate_teacher=True)):
        with pytest.raises(ValueError, match='must be used with a teacher, but there is none'):
            MODELS.build(dict(theta, teacher=None, teacher_ckpt=None, **option))
