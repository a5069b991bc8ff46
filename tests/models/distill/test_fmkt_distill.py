import copy
import weakref

import pytest
import torch
from helpers import gradients, total, wake
from mmdet.registry import MODELS as DETECTORS
from mmengine.runner.checkpoint import get_state_dict
from mmrazor.registry import MODELS
from torch import nn


@pytest.fixture(params=['fmkt', 'theta'])
def config(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    return MODELS.build(config).train()


def test_at_weight_zero_the_first_losses_and_gradients_are_the_plain_students(config, retinanet, batch):
    config.distiller.distill_losses.loss_fmkt.loss_weight = 0.0
    model, plain = MODELS.build(config).train(), DETECTORS.build(retinanet).train()
    plain.load_state_dict(model.state_dict(), strict=False)
    inputs, samples = batch
    losses, expected = model.loss(inputs, samples), plain.loss(inputs, samples)
    for name, value in expected.items():
        assert torch.equal(torch.stack(losses[name]), torch.stack(value)), name
    assert losses['distill.loss_fmkt'] == 0
    found = gradients(model, total(losses))
    for name, gradient in gradients(plain, total(expected)).items():
        of_student = found.get(
            f'architecture.{name}', found.get(f'architecture.{name}'.replace('neck.', 'neck.neck.', 1))
        )
        assert torch.equal(of_student, gradient), name


def test_theta_at_weight_zero_trains_the_plain_student(theta, retinanet, batch):
    theta.distiller.distill_losses.loss_fmkt.loss_weight = 0.0
    model, plain = MODELS.build(theta).train(), DETECTORS.build(retinanet).train()
    plain.load_state_dict({key: value for key, value in model.state_dict().items() if not key.startswith('distiller.')})
    for detector in (model, plain):
        optimizer = torch.optim.SGD(detector.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            total(detector.loss(*batch)).backward()
            optimizer.step()
    for name, parameter in plain.named_parameters():
        assert torch.equal(model.get_parameter(f'architecture.{name}'), parameter), name


def test_the_teacher_changes_the_distillation_and_nothing_else(config, retinanet, batch, tmp_path):
    """The target is not an input of the flow: with another teacher the student's own losses and predictions stay."""
    torch.manual_seed(9)
    torch.save(DETECTORS.build(retinanet).state_dict(), tmp_path / 'other.pth')
    results = []
    for teacher_ckpt in (config.teacher_ckpt, str(tmp_path / 'other.pth')):
        torch.manual_seed(0)
        model = MODELS.build(dict(config, teacher_ckpt=teacher_ckpt)).train()
        wake(model)
        losses = model.loss(*batch)
        results.append(
            (losses.pop('distill.loss_fmkt'), total(losses), model.eval().architecture.extract_feat(batch[0]))
        )
    (first, own, features), (second, own_again, features_again) = results
    assert (first - second).abs() > 1e-3 and torch.equal(own, own_again)
    assert all(torch.equal(*pair) for pair in zip(features, features_again))


def test_state_dict_has_stock_keys_and_no_teacher(model, config):
    deployed = DETECTORS.build(config.architecture)
    keys = list(model.state_dict())
    assert [key for key in keys if not key.startswith('distiller.')] == list(deployed.state_dict())
    assert keys == list(get_state_dict(model))
    assert not any('teacher' in key for key in keys)


def test_state_dict_survives_a_round_trip(model, config):
    torch.manual_seed(7)
    other = MODELS.build(config)
    assert not torch.equal(next(other.parameters()), next(model.parameters()))
    other.load_state_dict(model.state_dict())
    expected = dict(model.named_parameters())
    for name, parameter in other.named_parameters():
        assert torch.equal(parameter, expected[name]), name


def test_teacher_is_no_part_of_the_model_and_an_ema_copy_has_none(model):
    own = {id(parameter) for parameter in model.parameters()}
    assert not own & {id(parameter) for parameter in model.teacher.detector.parameters()}
    assert model.teacher and copy.deepcopy(model).teacher is None


def test_teacher_stays_in_eval_and_gets_no_gradient(model, batch):
    model.train().loss(*batch)  # which prepares it
    before = copy.deepcopy(model.teacher.detector.state_dict())
    total(model.loss(*batch)).backward()
    assert not any(module.training for module in model.teacher.detector.modules())
    assert all(parameter.grad is None for parameter in model.teacher.detector.parameters())
    for key, value in model.teacher.detector.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_teacher_runs_backbone_and_neck_once_and_no_head(model, batch):
    calls = []
    model.loss(*batch)  # the first prepares it
    for name, module in model.teacher.detector.named_children():
        module.register_forward_hook(lambda *args, name=name: calls.append(name))
    model.loss(*batch)
    assert calls == ['backbone', 'neck']


def test_flow_runs_once_an_iteration(model, batch):
    calls = []
    for name, module in model.named_modules():
        if type(module).__name__ == 'PyramidFlow':
            module.register_forward_hook(lambda *args, name=name: calls.append(name))
    model.loss(*batch)
    assert len(calls) == 1


def test_teacher_moves_with_the_model(model):
    model.to('meta')
    assert all(parameter.is_meta for parameter in model.teacher.detector.parameters())


def test_prediction_is_the_deployed_detectors(model, config, batch):
    deployed = DETECTORS.build(config.architecture)
    deployed.load_state_dict({key: value for key, value in model.state_dict().items() if 'distiller' not in key})
    inputs, samples = batch
    found = model.eval()(inputs, copy.deepcopy(samples), mode='predict')
    expected = deployed.eval()(inputs, copy.deepcopy(samples), mode='predict')
    for ours, stock in zip(found, expected):
        assert torch.equal(ours.pred_instances.bboxes, stock.pred_instances.bboxes)
        assert torch.equal(ours.pred_instances.scores, stock.pred_instances.scores)


def test_train_and_eval_return_the_model(model):
    assert model.eval() is model and model.train() is model


def test_a_step_lowers_the_distillation_loss(model, batch):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    values = []
    for _ in range(5):
        losses = model.loss(*batch)
        values.append(losses['distill.loss_fmkt'].item())
        optimizer.zero_grad()
        losses['distill.loss_fmkt'].backward()
        optimizer.step()
    assert values[-1] < 0.9 * values[0]


def test_no_teacher_is_refused(config):
    with pytest.raises(TypeError, match='`teacher` must be a config file.*but got None.*set model.teacher'):
        MODELS.build(dict(config, teacher=None))


def test_no_teacher_checkpoint_is_refused(config):
    with pytest.raises(ValueError, match='`teacher_ckpt` must be a file or an address.*but got None'):
        MODELS.build(dict(config, teacher_ckpt=None))


def test_a_teacher_checkpoint_that_is_not_there_is_named(config):
    with pytest.raises(FileNotFoundError, match='nowhere/teacher.pth'):
        MODELS.build(dict(config, teacher_ckpt='nowhere/teacher.pth'))


def test_a_checkpoint_of_another_detector_is_refused_with_its_keys(config):
    config.teacher.backbone.depth = 34
    with pytest.raises(ValueError, match=r'does not belong to RetinaNet:\s+\d+ keys missing.*backbone\.layer1'):
        MODELS.build(config)


def test_a_checkpoint_with_other_classes_is_refused_with_both_shapes(config):
    config.teacher.bbox_head.num_classes = 80
    with pytest.raises(
        ValueError, match=r'2 keys of another shape: bbox_head.retina_cls.weight \(20, .* instead of \(160, '
    ):
        MODELS.build(config)


def test_a_checkpoint_without_batch_norms_counters_is_accepted(config, teacher_ckpt):
    checkpoint = torch.load(teacher_ckpt)
    weights = checkpoint['state_dict']
    checkpoint['state_dict'] = {key: value for key, value in weights.items() if 'num_batches_tracked' not in key}
    assert len(checkpoint['state_dict']) < len(weights)
    torch.save(checkpoint, teacher_ckpt)
    MODELS.build(config)


def test_a_teacher_of_other_classes_is_refused(config, tmp_path):
    config.teacher.bbox_head.num_classes = 80
    torch.save(DETECTORS.build(config.teacher).state_dict(), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'the student has \[10\] and the teacher \[80\]'):
        MODELS.build(dict(config, teacher_ckpt=str(tmp_path / 'other.pth')))


def test_a_teacher_of_other_classes_whose_features_are_compared_is_taken_if_the_user_says_so(config, batch, tmp_path):
    config.teacher.bbox_head.num_classes = 80
    torch.save(DETECTORS.build(config.teacher).state_dict(), tmp_path / 'other.pth')
    model = MODELS.build(dict(config, teacher_ckpt=str(tmp_path / 'other.pth'), check_classes=False)).train()
    assert model.loss(*batch)['distill.loss_fmkt'] > 0


class LooksAtTheHead(nn.Module):
    """A connector that reads the teacher's head in every iteration."""

    def prepare_from_teacher(self, teacher):
        self.teacher = weakref.ref(teacher)

    def forward(self, feature):
        return feature + 0 * self.teacher().bbox_head.retina_cls.weight.sum()


def test_heads_of_the_teacher_stay_for_any_part_that_looks_at_them(theta, batch):
    model = MODELS.build(theta).train()
    connector = LooksAtTheHead()
    connector.prepare_from_teacher(model.teacher.detector)
    model.distiller.distill_losses['loss_fmkt'].level_metrics[0].transform = connector
    assert model.loss(*batch)['distill.loss_fmkt'] > 0
    assert hasattr(model.teacher.detector, 'bbox_head')


def test_a_teacher_that_is_no_detector_is_refused(config):
    with pytest.raises(ValueError, match='has no model with a `type`'):
        MODELS.build(dict(config, teacher=dict(lr=0.1)))


@pytest.mark.parametrize(
    'part, value, message',
    [
        ('connectors', 0.5, '`connectors` of the distiller must be a dict, but got 0.5'),
        (
            'distill_losses',
            dict(loss_fmkt=3),
            r'`distill_losses.loss_fmkt` of the distiller must be dict\(type=...\), but got 3',
        ),
        (
            'teacher_recorders',
            dict(pyramid=None),
            r'`teacher_recorders.pyramid` of the distiller must be dict\(type=...\), but got None',
        ),
        (
            'loss_forward_mappings',
            dict(loss_fmkt=[]),
            r'`loss_forward_mappings.loss_fmkt` of the distiller must be dict\(...\)',
        ),
    ],
)
def test_a_distiller_of_other_kinds_is_refused(config, part, value, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(config, distiller=dict(config.distiller, **{part: value})))


def test_a_teacher_of_nan_is_refused(config, teacher_ckpt):
    checkpoint = torch.load(teacher_ckpt)
    checkpoint['state_dict']['backbone.conv1.weight'][0] = float('nan')
    torch.save(checkpoint, teacher_ckpt)
    with pytest.raises(ValueError, match='must have weights that are finite, but backbone.conv1.weight are not'):
        MODELS.build(config)


def test_a_mapping_without_its_flow_is_refused(theta):
    del theta.distiller.loss_forward_mappings.loss_fmkt.trajectories['connector']
    with pytest.raises(ValueError, match="`trajectories` must be those of a flow.*it needs connector='flow'"):
        MODELS.build(theta)


def test_a_setting_that_the_algorithm_does_not_have_is_refused_with_those_it_has(theta):
    with pytest.raises(TypeError, match='FMKTDistill has no setting task_weight; .* teacher, teacher_ckpt, inherit'):
        MODELS.build(dict(theta, task_weight=1.0))


def test_a_setting_that_a_flow_does_not_have_is_refused_with_those_it_has(theta):
    theta.distiller.connectors.flow.flow.num_step = 3
    with pytest.raises(
        TypeError, match='a flow has no setting num_step; beside its own arguments it has shared, precision'
    ):
        MODELS.build(theta)
