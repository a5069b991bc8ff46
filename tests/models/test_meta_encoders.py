import pytest
import torch

from mmfmkt.flow import transport
from mmfmkt.models import ConvMetaEncoder, LightMetaEncoder

META_ENCODERS = [ConvMetaEncoder, LightMetaEncoder]
PARAMETERS_AT_256 = {ConvMetaEncoder: 1_444_096, LightMetaEncoder: 213_824}


@pytest.fixture(params=META_ENCODERS, ids=lambda cls: cls.__name__)
def meta_encoder(request):
    torch.manual_seed(0)
    return request.param(16).double()


def test_starts_as_the_identity_transform(meta_encoder):
    source = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    assert torch.equal(transport(source, meta_encoder, 4).output, source)


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (13, 4)])
def test_keeps_the_shape_of_any_map(meta_encoder, size):
    state = torch.randn(2, 16, *size, dtype=torch.float64)
    assert meta_encoder(state, 0.5).shape == state.shape


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
    torch.nn.init.normal_(meta_encoder.layers[-1].weight)
    state = torch.randn(1, 16, 6, 6, dtype=torch.float64)
    assert not torch.allclose(meta_encoder(state, 0.25), meta_encoder(state, 1.0))


def test_train_and_eval_give_the_same_velocity(meta_encoder):
    torch.nn.init.normal_(meta_encoder.layers[-1].weight)
    state = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    assert torch.equal(meta_encoder.train()(state, 0.5), meta_encoder.eval()(state, 0.5))


@pytest.mark.parametrize('cls', META_ENCODERS)
def test_size_at_256_channels_is_as_documented(cls):
    assert sum(parameter.numel() for parameter in cls(256).parameters()) == PARAMETERS_AT_256[cls]


@pytest.mark.parametrize('cls', META_ENCODERS)
@pytest.mark.parametrize('channels', [0, 7])
def test_odd_or_no_channels_are_refused(cls, channels):
    with pytest.raises(ValueError, match=f'even number of at least 2, but got {channels}'):
        cls(channels)


def test_features_of_other_channels_are_refused(meta_encoder):
    with pytest.raises(ValueError, match='the flow transports, 8, but got 16'):
        meta_encoder(torch.zeros(1, 8, 4, 4, dtype=torch.float64), 1.0)
