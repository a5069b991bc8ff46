"""Logit FM-KT on the heads of mmdet."""

import copy

import pytest
import torch
from detectors import HIDDEN, WIDTH
from helpers import gradients, total, wake
from logit_flows import DENSE, ROI, head_of, with_flow
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS

from mmfmkt.detectors.classifier import find_classifier
from mmfmkt.models import StudentClassifier
from mmfmkt.pairing.pair import pair_config


def test_the_head_keeps_its_class_and_its_keys(student, logit_flow):
    plain, transported = DETECTORS.build(student), DETECTORS.build(with_flow(student, logit_flow))
    assert type(head_of(transported)) is type(head_of(plain))
    keys = [key for key in transported.state_dict() if '.flow.' not in key]
    assert keys == list(plain.state_dict()) and len(keys) < len(transported.state_dict())


def head_inputs(head):
    """Random pooled features of three RoIs, or a random pyramid of two images."""
    if hasattr(head, 'fc_cls'):
        return torch.randn(3, WIDTH, 7, 7)
    return [torch.randn(2, WIDTH, size, size) for size in (8, 4, 2, 2, 2)]


def test_starts_as_the_plain_student_also_after_mmdets_initialisation(student, logit_flow):
    plain, transported = DETECTORS.build(student), DETECTORS.build(with_flow(student, logit_flow))
    wake(transported)
    transported.init_weights()
    plain.load_state_dict(transported.state_dict(), strict=False)
    assert not head_of(transported).flow.meta_encoders['0'].layers[-1].weight.any()
    inputs = head_inputs(head_of(plain))
    scores, expected = (head_of(detector).eval()(inputs)[0] for detector in (transported, plain))
    for found, stock in zip(scores, expected):
        assert torch.equal(found, stock) and found.abs().max() > 0


def test_starts_as_the_plain_student_where_a_head_initialises_itself():
    """RTMDet's goes through all its modules and calls no `init_weights` of a child."""
    head = dict(
        type='RTMDetHead',
        num_classes=10,
        in_channels=WIDTH,
        feat_channels=WIDTH,
        stacked_convs=1,
        norm_cfg=dict(type='BN'),
        anchor_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
    )
    flow = dict(meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    built = DETECTORS.build(dict(type='mmdet.FlowHead', head=head, flow=flow, classifier='rtm_cls'))
    built.init_weights()
    assert not built.flow.meta_encoders['0'].layers[-1].weight.any()
    copied = copy.deepcopy(built)
    wake(copied)
    copied.init_weights()
    assert not copied.flow.meta_encoders['0'].layers[-1].weight.any()


def test_the_classifier_reads_the_output_of_the_flow(student, logit_flow):
    head = head_of(DETECTORS.build(with_flow(student, logit_flow))).eval()
    wake(head)
    seen, outputs = [], []
    classifier = find_classifier(head)
    classifier.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    head.flow.register_forward_hook(lambda module, args, output: outputs.append((args[0], output.output)))
    head(head_inputs(head))
    assert len(seen) == len(outputs) > 0
    for feature, (source, output) in zip(seen, outputs):
        assert torch.equal(feature, output) and not torch.equal(source, output)


def test_losses_are_finite_and_reach_flow_classifier_and_tower(model, masked_batch):
    losses = model.loss(*masked_batch)
    assert losses['distill.loss_logit'] > 0 and losses['distill.loss_step_task'] > 0
    found = gradients(model, losses['distill.loss_logit'] + losses['distill.loss_step_task'])
    head = head_of(model.architecture)
    prefix = 'architecture.' + ('roi_head.bbox_head' if hasattr(model.architecture, 'roi_head') else 'bbox_head')
    for parameter in find_classifier(head).parameters():
        assert parameter.grad.norm() > 0
    assert (
        found[f'{prefix}.flow.meta_encoders.0.layers.{len(head.flow.meta_encoders["0"].layers) - 1}.weight'].norm() > 0
    )
    assert found['architecture.backbone.conv1.weight'].norm() > 0
    assert all(gradient.isfinite().all() for gradient in found.values())


def test_at_step_zero_the_task_loss_of_the_steps_is_that_of_the_head(model, masked_batch):
    """The flow is the identity, so every step predicts the head's own logits, with the labels that it has assigned."""
    losses = model.loss(*masked_batch)
    own = total(dict(loss=losses['loss_cls']))
    assert own > 0
    torch.testing.assert_close(losses['distill.loss_step_task'], own, rtol=1e-5, atol=0)


@pytest.mark.parametrize('name', ['retinanet'], indirect=True)
def test_the_task_loss_of_the_steps_leaves_the_running_counts_of_the_heads_loss_alone(student, batch, tmp_path):
    """GHM weighs by how many logits have had a gradient of a size, over all iterations."""
    student.bbox_head.loss_cls = dict(type='GHMC', use_sigmoid=True, momentum=0.75)
    torch.save(DETECTORS.build(student).state_dict(), tmp_path / 'teacher.pth')
    pair = pair_config(student, student, str(tmp_path / 'teacher.pth'), 'fmkt-logit')
    model = MODELS.build(ConfigDict(pair)).train()
    plain = DETECTORS.build(student).train()
    plain.load_state_dict(model.architecture.state_dict(), strict=False)
    for _ in range(2):
        found, expected = model.loss(*batch), plain.loss(*batch)
        torch.testing.assert_close(found['loss_cls'], expected['loss_cls'])
    assert found['distill.loss_step_task'] > 0 and plain.bbox_head.loss_cls.acc_sum.any()


@pytest.mark.parametrize('name', ['retinanet', 'faster_rcnn'], indirect=True)
def test_the_classifier_runs_once_for_every_step_and_level_though_two_losses_read_it(model, batch, monkeypatch):
    trajectories, endpoints, forward = [], [], StudentClassifier.forward_train
    head_of(model.architecture).flow.register_forward_hook(lambda module, args, output: trajectories.append(output))
    monkeypatch.setattr(
        StudentClassifier, 'forward_train', lambda self, feature: endpoints.append(feature) or forward(self, feature)
    )
    model.loss(*batch)
    assert [id(each) for each in endpoints] == [
        id(each) for trajectory in trajectories for each in trajectory.endpoints
    ]


@pytest.mark.parametrize('name', ['retinanet', 'fcos', 'faster_rcnn'], indirect=True)
def test_task_loss_is_the_mean_over_the_steps(model, batch):
    """Against the head's own classification loss with its classifier's output replaced by that of each step."""
    wake(model, std=0.1)
    head, calls, trajectories = head_of(model.architecture), [], []
    head.loss_cls.register_forward_hook(lambda *call: calls.append(call[:3]), with_kwargs=True)
    head.flow.register_forward_hook(lambda module, args, output: trajectories.append(output))
    found = model.loss(*batch)['distill.loss_step_task']
    of_steps = []
    for endpoints in zip(*(trajectory.endpoints for trajectory in trajectories)):
        logits = [find_classifier(head).forward(endpoint) for endpoint in endpoints]
        num_classes = calls[0][1][0].shape[-1]
        rows = [each.permute(0, 2, 3, 1).reshape(-1, num_classes) if each.dim() == 4 else each for each in logits]
        rows = rows if len(calls[0][1][0]) == len(rows[0]) else [torch.cat(rows)]
        of_steps.append(
            sum(
                module.forward(row, *args[1:], **kwargs)
                for row, (module, args, kwargs) in zip(rows, calls[: len(rows)])
            )
        )
    assert len(of_steps) == 3 and not torch.allclose(of_steps[0], of_steps[2], rtol=1e-4)
    torch.testing.assert_close(found, sum(of_steps) / 3, rtol=1e-5, atol=0)


def test_at_weight_zero_losses_and_gradients_are_the_plain_students(config, student, masked_batch):
    for loss in config.distiller.distill_losses.values():
        loss.loss_weight = 0.0
    model, plain = MODELS.build(config).train(), DETECTORS.build(student).train()
    plain.load_state_dict(model.state_dict(), strict=False)
    inputs, samples = masked_batch
    results = []
    for detector in (model, plain):
        torch.manual_seed(4)  # the samplers of RoI heads draw
        losses = detector.loss(inputs, copy.deepcopy(samples))
        results.append((losses, gradients(detector, total(losses))))
    (losses, found), (expected, of_plain) = results
    for key, value in expected.items():
        assert torch.equal(
            torch.as_tensor(losses[key][0] if isinstance(value, list) else losses[key]),
            torch.as_tensor(value[0] if isinstance(value, list) else value),
        ), key
    for key, gradient in of_plain.items():
        assert torch.equal(found[f'architecture.{key}'], gradient), key


def test_a_deep_copy_runs_its_own_flow(student, logit_flow):
    detector = DETECTORS.build(with_flow(student, logit_flow)).eval()
    copied = copy.deepcopy(detector)
    wake(copied)
    feature = torch.randn(2, HIDDEN) if hasattr(detector, 'roi_head') else torch.randn(1, WIDTH, 4, 4)
    ours, theirs = (find_classifier(head_of(each))(feature) for each in (detector, copied))
    assert not torch.allclose(ours, theirs)


def test_one_number_of_steps_is_drawn_for_all_levels_of_a_pass(student, logit_flow):
    torch.manual_seed(0)
    head = head_of(DETECTORS.build(with_flow(student, dict(logit_flow, num_steps=[1, 2, 4])))).train()
    passes = []
    for _ in range(20):
        taken = []
        hook = head.flow.register_forward_hook(lambda module, args, output: taken.append(len(output.endpoints)))
        head(head_inputs(head))
        hook.remove()
        passes.append(set(taken))
    assert all(len(taken) == 1 for taken in passes) and set.union(*passes) == {1, 2, 4}


TOWERS = dict(
    retinanet=('bbox_head.retina_cls', range(5)),
    gfl=('bbox_head.gfl_cls', range(5)),
    faster_rcnn=('roi_head.bbox_head.fc_cls', range(1)),
)


@pytest.mark.parametrize('name', TOWERS, indirect=True)
def test_theta_form_trains_a_flow_beside_the_head_and_deploys_the_plain_student(
    name, config, student, logit_flow, batch
):
    layer, levels = TOWERS[name]
    theta = pair_config(student, config.teacher, config.teacher_ckpt, 'fmkt-logit-theta', logit_flow)
    assert theta['distiller']['student_recorders']['classifier']['source'] == layer
    assert theta['distiller']['connectors']['flow']['flow']['levels'] == tuple(levels)
    model = MODELS.build(ConfigDict(theta)).train()
    wake(model)
    found = gradients(model, model.loss(*batch)['distill.loss_logit'])
    assert all(found[f'distiller.{key}'].norm() > 0 for key, _ in model.distiller.named_parameters())
    assert found[f'architecture.{layer}.weight'].norm() > 0
    keys = [key for key in model.state_dict() if not key.startswith('distiller.')]
    assert keys == list(DETECTORS.build(student).state_dict())


@pytest.mark.parametrize('name', ['retinanet'], indirect=True)
def test_the_flow_beside_a_head_runs_once_in_an_iteration_though_two_losses_read_it(student, batch, tmp_path):
    torch.save(DETECTORS.build(student).state_dict(), tmp_path / 'teacher.pth')
    pair = pair_config(student, student, str(tmp_path / 'teacher.pth'), 'fmkt-logit-theta')
    parts = pair['distiller']
    for part in (parts['distill_losses'], parts['loss_forward_mappings']):
        part['loss_more'] = copy.deepcopy(part['loss_logit'])
    model, runs = MODELS.build(ConfigDict(pair)).train(), []
    model.distiller.connectors['flow'].flow.register_forward_hook(lambda *args: runs.append(args[-1]))
    for number in (1, 2):
        losses = model.loss(*batch)
        assert losses['distill.loss_more'] == losses['distill.loss_logit'] and len(runs) == number


@pytest.mark.parametrize('name', DENSE, indirect=True)
def test_the_teachers_dense_head_runs_once(model, masked_batch):
    runs = []
    model.teacher.detector.bbox_head.register_forward_hook(lambda *args: runs.append(args))
    model.loss(*masked_batch)
    assert len(runs) == 1


@pytest.mark.parametrize('name', ROI, indirect=True)
def test_the_teachers_roi_head_reads_the_students_proposals(model, masked_batch):
    seen = {}
    for who, detector in (('student', model.architecture), ('teacher', model.teacher.detector)):
        detector.roi_head.bbox_roi_extractor.register_forward_hook(
            lambda module, args, output, who=who: seen.setdefault(who, []).append(args[1])
        )
    model.loss(*masked_batch)
    assert len(seen['teacher']) == 1 and torch.equal(seen['student'][0], seen['teacher'][0])
