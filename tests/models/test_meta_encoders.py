import pytest
import torch
from helpers import wake

from mmfmkt.flow import transport
from mmfmkt.models import (
    ConvMetaEncoder,
    ConvNeXtMetaEncoder,
    LightMetaEncoder,
    MetaEncoder,
    MLPMetaEncoder,
    SwinMetaEncoder,
)

PARAMETERS_AT_256 = {
    ConvMetaEncoder: 1_444_096,
    ConvNeXtMetaEncoder: 1_210_624,
    LightMetaEncoder: 213_824,
    MLPMetaEncoder: 395_520,
    SwinMetaEncoder: 921_764,
}
META_ENCODERS = list(PARAMETERS_AT_256)


@pytest.fixture(params=META_ENCODERS, ids=lambda cls: cls.__name__)
def meta_encoder(request):
    torch.manual_seed(0)
    return request.param(16).double()


def test_starts_as_the_identity_transform(meta_encoder):
    source = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    assert torch.equal(transport(source, meta_encoder, 4).output, source)


@pytest.mark.parametrize('cls', META_ENCODERS)
def test_without_zero_init_it_moves_from_the_start_and_after_a_reset(cls):
    meta_encoder, source = cls(16, zero_init=False).double(), torch.randn(2, 16, 5, 7, dtype=torch.float64)
    for _ in range(2):
        assert not torch.equal(transport(source, meta_encoder, 4).output, source)
        meta_encoder.reset()


@pytest.mark.parametrize('size', [(), (1, 1), (1, 9), (13, 4), (14, 14)])
def test_keeps_the_shape_of_any_map_and_vector(meta_encoder, size):
    wake(meta_encoder)
    state = torch.randn(2, 16, *size, dtype=torch.float64)
    velocity = meta_encoder(state, 0.5)
    assert velocity.shape == state.shape and velocity.isfinite().all() and velocity.abs().min() > 0


def test_a_vector_is_a_map_of_one_pixel(meta_encoder):
    wake(meta_encoder)
    state = torch.randn(2, 16, dtype=torch.float64)
    assert torch.equal(meta_encoder(state, 0.5), meta_encoder(state[:, :, None, None], 0.5)[:, :, 0, 0])


def test_images_of_a_batch_do_not_touch_each_other(meta_encoder):
    wake(meta_encoder)
    state = torch.randn(2, 16, 9, 5, dtype=torch.float64)
    torch.testing.assert_close(meta_encoder(state, 0.5)[:1], meta_encoder(state[:1], 0.5), rtol=0, atol=1e-12)


def test_every_parameter_trains_once_the_last_layer_has_left_zero(meta_encoder):
    source, target = torch.randn(2, 2, 16, 6, 6, dtype=torch.float64)
    optimizer = torch.optim.SGD(meta_encoder.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        endpoints = transport(source, meta_encoder, 4).endpoints
        sum((endpoint - target).square().mean() for endpoint in endpoints).backward()
        optimizer.step()
    for name, parameter in meta_encoder.named_parameters():
        assert parameter.grad.norm() > 1e-6 * parameter.norm(), name


def test_depends_on_the_time_once_trained(meta_encoder):
    wake(meta_encoder)
    state = torch.randn(1, 16, 6, 6, dtype=torch.float64)
    assert not torch.allclose(meta_encoder(state, 0.25), meta_encoder(state, 1.0))


def test_train_and_eval_give_the_same_velocity(meta_encoder):
    wake(meta_encoder)
    state = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    assert torch.equal(meta_encoder.train()(state, 0.5), meta_encoder.eval()(state, 0.5))


@pytest.mark.parametrize('cls', META_ENCODERS)
def test_size_at_256_channels_is_as_documented(cls):
    assert sum(parameter.numel() for parameter in cls(256).parameters()) == PARAMETERS_AT_256[cls]


@pytest.mark.parametrize('cls', META_ENCODERS)
def test_the_fewest_channels_still_carry_a_velocity(cls):
    channels = 4 if cls is SwinMetaEncoder else 2
    meta_encoder = cls(channels)
    wake(meta_encoder)
    assert meta_encoder(torch.randn(1, channels, 6, 6), 0.5).std() > 0


@pytest.mark.parametrize('cls', META_ENCODERS)
@pytest.mark.parametrize('channels', [0, 7, 16.0, '16'])
def test_odd_or_no_channels_are_refused(cls, channels):
    with pytest.raises(ValueError, match=f'must be .*, but got {channels!r}'):
        cls(channels)


def test_reset_makes_it_the_identity_again(meta_encoder):
    for parameter in meta_encoder.parameters():
        torch.nn.init.constant_(parameter, 3.0)
    meta_encoder.reset()
    assert not meta_encoder(torch.randn(1, 16, 5, 5, dtype=torch.float64), 0.5).any()
    assert meta_encoder.time_embedding.linear.weight.std() > 0.01


def test_convnexts_layer_scale_starts_at_one_and_trains():
    meta_encoder = ConvNeXtMetaEncoder(16)
    wake(meta_encoder)
    meta_encoder(torch.randn(1, 16, 6, 6), 0.5).square().sum().backward()
    scale = meta_encoder.layers[0].layer_scale
    assert scale.eq(1).all() and scale.requires_grad and scale.grad.abs().min() > 0


def test_swin_needs_a_multiple_of_its_heads():
    with pytest.raises(ValueError, match='must be a multiple of its 4 heads, but got 18'):
        SwinMetaEncoder(18)


@pytest.mark.parametrize(
    'layers', [torch.nn.Conv2d(4, 4, 1), torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1), torch.nn.Tanh())]
)
def test_layers_that_cannot_start_at_zero_are_refused(layers):
    class Own(MetaEncoder):
        def build_layers(self, channels):
            return layers

    with pytest.raises(ValueError, match='`build_layers` of Own must return an nn.Sequential that ends with a layer'):
        Own(4)


def test_mlp_needs_a_block():
    with pytest.raises(ValueError, match='`depth` of MLPMetaEncoder must be at least 1, but got 0'):
        MLPMetaEncoder(16, depth=0)


@pytest.mark.parametrize('t', [-0.5, 1.01])
def test_times_outside_the_unit_interval_are_refused(meta_encoder, t):
    with pytest.raises(ValueError, match=r'`t` must lie in \[0, 1\]'):
        meta_encoder(torch.zeros(1, 16, 4, 4, dtype=torch.float64), t)


def test_features_of_other_channels_are_refused(meta_encoder):
    with pytest.raises(ValueError, match='the flow transports, 8, but got 16'):
        meta_encoder(torch.zeros(1, 8, 4, 4, dtype=torch.float64), 1.0)
