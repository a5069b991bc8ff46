"""What logit FM-KT refuses, and the corners of its flows."""

import pytest
import torch
from detectors import WIDTH, tiny
from logit_flows import with_flow
from mmdet.registry import MODELS as DETECTORS
from mmrazor.registry import MODELS

from mmfmkt.detectors.classifier import find_classifier
from mmfmkt.flow import transport
from mmfmkt.models import StepTaskLoss
from mmfmkt.models.recorders.recorders import Call


def test_a_head_whose_scores_are_probabilities_is_refused():
    flow = dict(meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    with pytest.raises(ValueError, match='scores are logits, but those of TOODHead are probabilities'):
        DETECTORS.build(with_flow(tiny('tood'), flow))


def test_a_task_loss_that_did_not_run_is_refused():
    trajectory = transport(torch.zeros(1, 4), lambda state, t: state, 1)
    with pytest.raises(ValueError, match='`loss_cls` of the head must run in every iteration, but it did not'):
        StepTaskLoss()([trajectory], [])


def test_a_head_without_one_classifier_is_refused_when_it_is_built():
    flow = dict(meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    with pytest.raises(
        ValueError, match='flow must stand before one convolution.*but YOLOXHead has no such layer; set `class'
    ):
        DETECTORS.build(with_flow(tiny('yolox'), flow))


def test_a_classifier_of_another_name_can_be_given():
    flow = dict(meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    student = tiny('retinanet')
    student.bbox_head = dict(type='mmdet.FlowHead', head=student.bbox_head, flow=flow, classifier='retina_reg')
    assert DETECTORS.build(student).bbox_head.retina_reg._forward_pre_hooks
    student.bbox_head.classifier = 'scores'
    with pytest.raises(ValueError, match='called scores, but RetinaHead has retina_cls, retina_reg'):
        DETECTORS.build(student)


@pytest.mark.parametrize('name', ['faster_rcnn'], indirect=True)
def test_a_teacher_with_several_box_heads_is_refused(config, tmp_path):
    teacher = tiny('cascade_rcnn')
    torch.save(DETECTORS.build(teacher).state_dict(), tmp_path / 'cascade.pth')
    with pytest.raises(ValueError, match='StandardRoIHeads .*, but got CascadeRoIHead in CascadeRCNN'):
        MODELS.build(dict(config, teacher=teacher, teacher_ckpt=str(tmp_path / 'cascade.pth')))


@pytest.mark.parametrize('name', ['retinanet'], indirect=True)
def test_a_teacher_with_other_anchors_is_refused(config, tmp_path):
    teacher = tiny('atss')  # one anchor instead of nine
    torch.save(DETECTORS.build(teacher).state_dict(), tmp_path / 'atss.pth')
    with pytest.raises(ValueError, match=r'\(1, 90, 32, 32\) and \(1, 10, 32, 32\)'):
        MODELS.build(dict(config, teacher=teacher, teacher_ckpt=str(tmp_path / 'atss.pth')))


@pytest.mark.parametrize('name', ['retinanet'], indirect=True)
def test_a_head_that_the_student_lacks_is_refused_with_those_it_has(config):
    config.distiller.distill_losses.loss_logit.transform.head = 'roi_head.bbox_head'
    with pytest.raises(
        ValueError, match="must be a head of RetinaNet, which has bbox_head, but got 'roi_head.bbox_head'"
    ):
        MODELS.build(config)


@pytest.mark.parametrize('name', ['retinanet'], indirect=True)
def test_a_source_that_the_student_lacks_is_refused(config):
    config.distiller.student_recorders.head_flow.source = 'bbox_head.flows'
    with pytest.raises(
        ValueError,
        match="must be a module of the student RetinaNet, but got 'bbox_head.flows'; the closest are bbox_head.flow",
    ):
        MODELS.build(config)


@pytest.mark.parametrize('name', ['retinanet'], indirect=True)
def test_a_metric_that_counts_anchors_is_refused_before_training_unless_it_is_told_them(config):
    config.distiller.distill_losses.loss_logit.metric = dict(type='mmrazor.QualityFocalMetric')
    with pytest.raises(ValueError, match=r'must get rows \(R, K\), one for each anchor, but got maps'):
        MODELS.build(config)
    wrapped = dict(type='mmrazor.PerPixelMetric', metric=config.distiller.distill_losses.loss_logit.metric, groups=9)
    config.distiller.distill_losses.loss_logit.metric = wrapped
    assert MODELS.build(config)


def test_inference_outside_of_a_pass_takes_its_own_number_of_steps(batch):
    """mmdet counts FLOPs in tensor mode, which calls `forward` of the head and no hook of its."""
    student = tiny('retinanet')
    flow = dict(num_steps=[1, 2], inference_steps=8, meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    detector = DETECTORS.build(with_flow(student, flow)).train()
    detector.loss(*batch)
    taken = []
    detector.bbox_head.flow.register_forward_hook(lambda module, args, output: taken.append(len(output.endpoints)))
    detector.eval()(batch[0], mode='tensor')
    assert taken == [8] * 5


def test_levels_of_a_head_are_refused():
    flow = dict(levels=(0, 1), meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    with pytest.raises(ValueError, match=r'the flow of a head must have no `levels`, .*but got \(0, 1\)'):
        DETECTORS.build(with_flow(tiny('retinanet'), flow))


def test_a_head_of_queries_is_refused():
    with pytest.raises(
        ValueError, match='must stand in a dense head or in the box head of a RoI head, but got DETRHead'
    ):
        find_classifier(DETECTORS.build(dict(type='DETRHead', num_classes=10)))


def test_a_task_loss_that_is_called_otherwise_is_refused():
    logits = torch.zeros(3, 4)
    with pytest.raises(
        ValueError, match=r'with logits of the shapes \[\(3, 4\)\], but got \[\(2, 4\)\]; leave StepTaskLoss out'
    ):
        loss = StepTaskLoss()
        loss.transform.layer = (torch.nn.Identity(),)
        loss([transport(logits, lambda state, t: state, 1)], [Call(torch.nn.Identity(), (logits[:2],), {})])
