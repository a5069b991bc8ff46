"""What a training may be combined with.

Mixed precision, checkpointing of activations, accumulation, clipping, SyncBN and EMA.
"""

import copy

import pytest
import torch
from helpers import gradients, total, wake
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmrazor.registry import MODELS

from mmfmkt.engine.mixed_precision import CPUAmpOptimWrapper
from mmfmkt.models.flows.pyramid_flow import find_flows
from mmfmkt.models.meta_encoders import LightMetaEncoder, MetaEncoder

BF16 = 0.02  # relative; bfloat16 has 8 bits
FP16 = 0.005


@pytest.fixture(params=['fmkt', 'theta'])
def config(request):
    return request.getfixturevalue(request.param)


def build(config):
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(config)).train()
    wake(model, 0.1)
    return model


@pytest.fixture
def loader_batch(batch):
    """The batch as a loader gives it."""
    images, samples = batch
    return dict(inputs=list((images * 50 + 127).clamp(0, 255).to(torch.uint8)), data_samples=samples)


def test_losses_in_bfloat16_are_those_in_float32(config, batch):
    model = build(config)
    expected = model.loss(*batch)
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(*batch)
    assert losses['distill.loss_fmkt'].dtype == torch.float32
    torch.testing.assert_close(losses['distill.loss_fmkt'], expected['distill.loss_fmkt'], rtol=BF16, atol=0)
    torch.testing.assert_close(total(losses).float(), total(expected), rtol=BF16, atol=0)
    assert all(gradient.isfinite().all() for gradient in gradients(model, total(losses)).values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason='float16 wants a GPU')
@pytest.mark.parametrize('dtype, tolerance', [(torch.float16, FP16), (torch.bfloat16, BF16)])
def test_losses_in_half_precision_on_a_gpu_are_those_in_float32(config, batch, dtype, tolerance):
    model = build(config).cuda()
    inputs, samples = batch[0].cuda(), [sample.cuda() for sample in batch[1]]
    expected = model.loss(inputs, samples)
    with torch.autocast('cuda', dtype):
        losses = model.loss(inputs, samples)
    torch.testing.assert_close(losses['distill.loss_fmkt'], expected['distill.loss_fmkt'], rtol=tolerance, atol=0)
    torch.testing.assert_close(total(losses).float(), total(expected), rtol=tolerance, atol=0)


def test_mixed_precision_on_a_cpu_trains_weights_of_float32(config, loader_batch):
    model = build(config)
    wrapper = CPUAmpOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01), clip_grad=dict(max_norm=1))
    for _ in range(2):
        assert all(value.isfinite().all() for value in model.train_step(copy.deepcopy(loader_batch), wrapper).values())
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def assert_same_gradients(found, expected, tolerance):
    """Relative to the largest entry of a gradient."""
    assert found.keys() == expected.keys() and len(expected) > 50
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() <= tolerance * gradient.abs().max(), name


def test_recomputed_activations_of_the_student_change_no_gradient_and_are_recorded_once(config, batch):
    plain = build(config)
    config.architecture.backbone.with_cp = True
    model = build(config)
    losses = model.loss(*batch)
    assert torch.equal(losses['distill.loss_fmkt'], plain.loss(*batch)['distill.loss_fmkt'])
    found = gradients(model, total(losses))
    assert all(not recorder.data_buffer for recorder in model.distiller.student_recorders.recorders.values())
    model.loss(*batch)  # what the backward pass has run again is forgotten
    assert_same_gradients(found, gradients(plain, total(plain.loss(*batch))), 1e-5)


def test_a_recomputed_flow_changes_no_gradient_and_runs_again_in_the_backward_pass(config, batch):
    plain, model = build(config), build(config)
    calls = []
    for flow in find_flows(model):
        flow.with_cp = True
    for module in model.modules():
        if isinstance(module, MetaEncoder):
            module.register_forward_pre_hook(lambda *args: calls.append(1))
    losses = model.loss(*batch)
    forward = len(calls)
    found = gradients(model, total(losses))
    assert forward == 6 and len(calls) == 2 * forward  # three levels, two steps
    assert_same_gradients(found, gradients(plain, total(plain.loss(*batch))), 0)


def freeze_batch_norm(model):
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()


def test_accumulated_gradients_are_the_mean_of_the_batches(config, loader_batch):
    halves = [
        dict(inputs=loader_batch['inputs'][part], data_samples=loader_batch['data_samples'][part])
        for part in (slice(0, 1), slice(1, 2))
    ]
    expected = {}
    for half in halves:
        model = build(config)
        freeze_batch_norm(model)
        data = model.data_preprocessor(copy.deepcopy(half), True)
        for name, gradient in gradients(model, total(model.loss(**data))).items():
            expected[name] = expected.get(name, 0) + gradient / 2
    model, found = build(config), {}
    freeze_batch_norm(model)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01), accumulative_counts=2)
    wrapper.optimizer.register_step_pre_hook(
        lambda *args: found.update(
            {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
        )
    )
    for half in halves:
        assert not found
        model.train_step(copy.deepcopy(half), wrapper)
    assert_same_gradients(found, expected, 1e-5)


def test_gradients_are_clipped(config, loader_batch):
    model, norms = build(config), []
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01), clip_grad=dict(max_norm=0.5))
    wrapper.optimizer.register_step_pre_hook(
        lambda *args: norms.append(
            torch.stack([each.grad.norm() for each in model.parameters() if each.grad is not None]).norm().item()
        )
    )
    model.train_step(copy.deepcopy(loader_batch), wrapper)
    assert wrapper.message_hub.get_scalar('train/grad_norm').current() > 1
    assert norms == [pytest.approx(0.5, rel=1e-4)]


def test_sync_batch_norm_trains_and_keeps_the_keys(config, batch):
    model = build(config)
    expected, keys = total(model.loss(*batch)), list(model.state_dict())
    model = convert_sync_batchnorm(build(config))
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in model.modules())
    assert not any(isinstance(module, torch.nn.SyncBatchNorm) for module in model.teacher.detector.modules())
    torch.testing.assert_close(total(model.loss(*batch)), expected)
    assert list(model.state_dict()) == keys == list(revert_sync_batchnorm(model).state_dict())


def test_images_of_one_location_and_batches_of_one_train(config, batch):
    images, samples = batch
    model = build(config)
    freeze_batch_norm(model)
    losses = model.loss(images[:1, :, :32, :32], samples[:1])
    assert all(gradient.isfinite().all() for gradient in gradients(model, total(losses)).values())


@pytest.mark.parametrize('size', [(64, 64), (33, 64), (50, 38), (1, 1)])
def test_odd_sizes_and_empty_images_train(config, size, loader_batch):
    """Images of different sizes, which are padded, one of them without a box."""
    loader_batch['inputs'][1] = loader_batch['inputs'][1][:, : size[0], : size[1]]
    sample = loader_batch['data_samples'][1]
    sample.set_metainfo(dict(img_shape=size, ori_shape=size, pad_shape=size))
    sample.gt_instances = sample.gt_instances[:0]
    model = build(config)
    data = model.data_preprocessor(loader_batch, True)
    losses = model.loss(**data)
    assert all(gradient.isfinite().all() for gradient in gradients(model, total(losses)).values())


def test_a_batch_without_any_box_trains(config, batch):
    images, samples = batch
    for sample in samples:
        sample.gt_instances = sample.gt_instances[:0]
    model = build(config)
    losses = model.loss(images, samples)
    assert losses['distill.loss_fmkt'] > 0
    assert all(gradient.isfinite().all() for gradient in gradients(model, total(losses)).values())


@pytest.mark.parametrize('encoder', MetaEncoder.__subclasses__())
def test_gradients_have_the_strides_of_their_weights(config, batch, encoder):
    # DistributedDataParallel compares them; convolutions of channels-last maps swap those of 1x1 weights
    flow = config.distiller.connectors.flow.flow if 'connectors' in config.distiller else config.architecture.neck.flow
    flow.meta_encoder.type = f'mmrazor.{encoder.__name__}'
    model = build(config)
    images = batch[0].contiguous(memory_format=torch.channels_last)
    found = gradients(model, total(model.loss(images, batch[1])))
    assert {name: gradient.stride() for name, gradient in found.items()} == {
        name: weight.stride() for name, weight in model.named_parameters() if name in found
    }
    assert encoder is LightMetaEncoder or any(
        'meta_encoders' in name and weight.shape[2:] == (1, 1) for name, weight in found.items()
    )
