"""Online FM-KT: no teacher, in both forms."""

import copy

import pytest
import torch
from helpers import total, wake
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmfmkt.models.distill.ofmkt_theta_distill import head_losses


@pytest.fixture
def full(retinanet, flow, root):
    return Config(
        dict(
            model=dict(
                type='mmrazor.FMKTDistill',
                architecture=dict(retinanet, neck=dict(type='mmdet.FlowNeck', neck=retinanet.neck, flow=flow)),
                distiller=Config.fromfile(root / 'configs/_base_/methods/ofmkt.py').distiller,
            )
        )
    ).model


@pytest.fixture
def online_theta(retinanet, flow, root):
    distiller = Config.fromfile(root / 'configs/_base_/methods/ofmkt-theta.py').distiller
    distiller.connectors.flow.flow = flow
    return Config(dict(model=dict(type='mmrazor.OFMKTThetaDistill', architecture=retinanet, distiller=distiller))).model


@pytest.fixture(params=['full', 'online_theta'])
def config(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    return MODELS.build(config).train()


def flow_parameters(model):
    return {name: parameter for name, parameter in model.named_parameters() if '.flow.' in name}


def test_builds_and_trains_without_a_teacher(model, batch):
    assert model.teacher is None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        losses = model.loss(*batch)
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
    assert len(flow_parameters(model)) > 0
    for name, parameter in flow_parameters(model).items():
        assert parameter.grad.norm() > 0, name


def test_the_task_trains_the_flow_from_the_first_step_on(model, batch):
    """The flow starts as the identity, where the self-distillation is zero and has no gradient."""
    losses = model.loss(*batch)
    assert losses['distill.loss_ofmkt'] == 0
    total(losses).backward()
    last = [parameter for name, parameter in flow_parameters(model).items() if name.endswith('layers.5.weight')]
    assert len(last) == 3 and all(parameter.grad.norm() > 0 for parameter in last)


def test_the_heads_of_theta_read_both_pyramids(online_theta, retinanet, batch):
    """At first the flow is the identity: the losses of the second pass are those of the first."""
    model, plain = MODELS.build(online_theta).train(), DETECTORS.build(retinanet).train()
    plain.load_state_dict({key: value for key, value in model.state_dict().items() if not key.startswith('distiller.')})
    losses, expected = model.loss(*batch), plain.loss(*batch)
    for name, value in expected.items():
        torch.testing.assert_close(torch.stack(losses[name]), torch.stack(value), rtol=0, atol=0)
        torch.testing.assert_close(torch.stack(losses[f'flow.{name}']), torch.stack(value), rtol=1e-5, atol=1e-6)


def test_the_losses_of_thetas_flow_move_with_it_and_the_students_do_not(online_theta, batch):
    torch.manual_seed(0)
    model = MODELS.build(online_theta).train()
    before = model.loss(*batch)
    wake(model)
    after = model.loss(*batch)
    for name in ('loss_cls', 'loss_bbox'):
        assert torch.equal(torch.stack(before[name]), torch.stack(after[name]))
        assert not torch.allclose(torch.stack(before[f'flow.{name}']), torch.stack(after[f'flow.{name}']))


def test_the_weight_of_the_task_multiplies_the_losses_of_the_flow(online_theta, batch):
    torch.manual_seed(0)
    once = MODELS.build(online_theta).train()
    torch.manual_seed(0)
    thrice = MODELS.build(dict(online_theta, task_weight=3.0)).train()
    of_once, of_thrice = (torch.stack(model.loss(*batch)['flow.loss_cls']) for model in (once, thrice))
    torch.testing.assert_close(3 * of_once, of_thrice, rtol=1e-6, atol=0)


def test_theta_deploys_the_plain_students_keys(online_theta, retinanet):
    keys = [key for key in MODELS.build(online_theta).state_dict() if not key.startswith('distiller.')]
    assert keys == list(DETECTORS.build(retinanet).state_dict())


def test_losses_of_a_pyramid_are_those_of_the_images_that_make_it(retinanet, batch):
    detector = DETECTORS.build(retinanet).eval()
    inputs, samples = batch
    of_images = detector.loss(inputs, copy.deepcopy(samples))
    of_pyramid = head_losses(detector, detector.extract_feat(inputs), samples)
    for name, value in of_images.items():
        assert torch.equal(torch.stack(value), torch.stack(of_pyramid[name])), name
    assert 'extract_feat' not in vars(detector)


def test_the_running_statistics_of_thetas_heads_are_those_of_the_students_own_features(online_theta, batch):
    online_theta.architecture.bbox_head.norm_cfg = dict(type='BN')
    torch.manual_seed(0)
    model, plain = MODELS.build(online_theta).train(), DETECTORS.build(online_theta.architecture).train()
    plain.load_state_dict({key: value for key, value in model.state_dict().items() if not key.startswith('distiller.')})
    wake(model)
    total(model.loss(*batch)).backward()
    plain.loss(*batch)
    heads = [dict(each.bbox_head.named_buffers()) for each in (model.architecture, plain)]
    assert any(name.endswith('num_batches_tracked') for name in heads[0])
    assert all(torch.equal(value, heads[1][name]) for name, value in heads[0].items())
    assert all(parameter.grad.norm() > 0 for parameter in flow_parameters(model).values())


def test_a_teacher_that_is_only_inherited_from_does_not_run(config, retinanet, teacher_ckpt, batch):
    model = MODELS.build(dict(config, teacher=retinanet, teacher_ckpt=teacher_ckpt, inherit='head')).train()
    model.init_weights()
    own, inherited = (each.bbox_head.retina_cls for each in (model.architecture, model.teacher.detector))
    assert torch.equal(own.weight, inherited.weight)
    model.prepare_teacher(*batch)  # which runs it
    model.teacher.detector.backbone.register_forward_hook(lambda *args: pytest.fail('the teacher runs'))
    assert total(model.loss(*batch)).isfinite()


def test_a_distiller_that_reads_a_teacher_wants_one(fmkt):
    with pytest.raises(TypeError, match='distillation needs a teacher: set model.teacher and model.teacher_ckpt'):
        MODELS.build({key: value for key, value in fmkt.items() if not key.startswith('teacher')})


@pytest.mark.parametrize('task_weight', [0, -1])
def test_a_flow_that_nothing_trains_is_refused(online_theta, task_weight):
    with pytest.raises(ValueError, match=f'`task_weight` must be above 0, but got {task_weight}'):
        MODELS.build(dict(online_theta, task_weight=task_weight))


def test_theta_without_a_flow_is_refused(full):
    with pytest.raises(ValueError, match=r'must have a connector `flow`, but got \[\]'):
        MODELS.build(dict(full, type='mmrazor.OFMKTThetaDistill'))
