"""What the distiller listens to and what it trains is checked before it is too late."""

import pytest
import torch
from helpers import total
from mmrazor.registry import MODELS


@pytest.fixture(params=['fmkt', 'theta'])
def config(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    'source, near', [('nekc', 'neck'), ('bbox_head.retina_cl', 'bbox_head.retina_cls'), ('', 'backbone')]
)
@pytest.mark.parametrize('side', ['student', 'teacher'])
def test_a_source_that_is_not_there_is_refused_with_the_closest_names(config, side, source, near):
    config.distiller[f'{side}_recorders'].extra = dict(type='mmrazor.ModuleOutputs', source=source)
    with pytest.raises(
        ValueError, match=f"must be a module of the {side} RetinaNet, but got '{source}'; the closest are .*{near}"
    ):
        MODELS.build(config)


def test_a_loss_whose_name_lacks_loss_is_refused_unless_it_shall_only_be_logged(config, batch):
    losses, mappings = config.distiller.distill_losses, config.distiller.loss_forward_mappings
    projection = dict(type='mmrazor.ConvModuleConnector', in_channel=16, out_channel=16)
    losses.distance, mappings.distance = dict(losses.loss_fmkt, transform=projection), mappings.loss_fmkt
    with pytest.raises(ValueError, match='must contain "loss".*but got \'distance\'; rename it'):
        MODELS.build(config)
    model = MODELS.build(dict(config, log_only=['distance'])).train()
    losses = model.loss(*batch)
    assert 'distill.distance' in losses
    parameters = [each for each in model.distiller.parameters() if each.requires_grad]
    gradients = torch.autograd.grad(total(losses), parameters, allow_unused=True)
    assert all(gradient is not None for gradient in gradients)  # which DDP wants, of what is only logged too


def test_a_connector_that_only_a_logged_loss_reads_gets_a_gradient_of_0_which_ddp_wants(theta, batch):
    parts = theta.distiller
    parts.connectors.projection = dict(type='mmrazor.ConvModuleConnector', in_channel=16, out_channel=16, act_cfg=None)
    parts.student_recorders.finest = dict(type='mmrazor.ModuleOutputs', source='neck')
    parts.distill_losses.distance = dict(type='mmrazor.FeatureLoss', levels=(0,))
    parts.loss_forward_mappings.distance = dict(
        student_features=dict(recorder='finest', from_student=True, data_idx=0, connector='projection'),
        teacher_features=parts.loss_forward_mappings.loss_fmkt.teacher_features,
    )
    model = MODELS.build(dict(theta, log_only=['distance'])).train()
    total(model.loss(*batch)).backward()
    connector = model.distiller.connectors['projection']
    assert all(torch.equal(each.grad, torch.zeros_like(each)) for each in connector.parameters())


def test_a_trained_loss_cannot_be_declared_logged_only(config):
    with pytest.raises(ValueError, match=r'without "loss" in their name, but got \[\'loss_fmkt\'\]'):
        MODELS.build(dict(config, log_only=['loss_fmkt']))


def test_a_loss_without_arguments_is_refused(config):
    config.distiller.distill_losses.loss_more = dict(type='mmrazor.L2Loss')
    with pytest.raises(ValueError, match="'loss_more' has none"):
        MODELS.build(config)


def test_a_source_that_does_not_run_is_named_in_the_first_iteration(config, batch):
    config.distiller.student_recorders.late = dict(type='mmrazor.ModuleOutputs', source='bbox_head.loss_cls')
    config.distiller.distill_losses.loss_more = dict(type='mmrazor.L2Loss')
    config.distiller.loss_forward_mappings.loss_more = {
        side: dict(recorder='late', from_student=True) for side in ('s_feature', 't_feature')
    }
    model = MODELS.build(config).train()
    model.architecture.bbox_head.loss_cls.forward_hooks = model.architecture.bbox_head.loss_cls._forward_hooks.clear()
    with pytest.raises(ValueError, match="'bbox_head.loss_cls', the source of the recorder 'late'.*did not"):
        model.loss(*batch)


def test_hooks_find_the_parts_of_the_student_on_the_algorithm(config):
    model = MODELS.build(config)
    model.bbox_head.use_l1 = True  # as mmdet's YOLOXModeSwitchHook does
    assert model.architecture.bbox_head.use_l1 and model.backbone is model.architecture.backbone
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = model.nothing
