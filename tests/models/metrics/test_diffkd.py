"""DiffKD against closed forms of its diffusion."""

import pytest
import torch
import torch.nn.functional as F

from mmfmkt.models import DiffKDMetric
from mmfmkt.models.metrics.diffkd import SIGNAL, TRAINING_STEPS, Denoiser, Gamma, ddim, standardise


@pytest.fixture
def metric():
    """For 6 channels; its latent features have as many, and are the features."""
    torch.manual_seed(0)
    metric = DiffKDMetric(6, latent_channels=6).double()
    for layer in (metric.encode, metric.decode, metric.project):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return metric


def test_the_shares_of_the_signal_fall_from_one_to_almost_nothing():
    assert SIGNAL[0] == 1 and len(SIGNAL) == TRAINING_STEPS + 1
    assert SIGNAL[1] == pytest.approx(1 - 1e-4) and SIGNAL[2] == pytest.approx((1 - 1e-4) * (1 - 1e-4 - 0.0199 / 999))
    assert all(later < earlier for earlier, later in zip(SIGNAL, SIGNAL[1:])) and SIGNAL[-1] < 1e-4


@pytest.mark.parametrize('times', [[500, 400, 300, 200, 100, 0], [1000, 0], [7, 3, 1, 0]])
def test_a_denoiser_that_knows_the_noise_restores_the_feature(source, target, times):
    noisy = SIGNAL[times[0]] ** 0.5 * source + (1 - SIGNAL[times[0]]) ** 0.5 * target
    assert torch.allclose(ddim(lambda state, time: target, noisy, times), source)


def test_a_denoiser_that_sees_no_noise_scales_the_state_up(source):
    assert torch.allclose(ddim(lambda state, time: 0 * state, source, [500, 250, 0]), source / SIGNAL[500] ** 0.5)


def test_the_denoiser_is_asked_at_falling_times_that_end_before_zero(metric):
    asked = []
    ddim(lambda state, time: asked.append(time) or state, torch.zeros(1, 1, 1, 1), metric.times)
    assert asked == [400, 320, 240, 160, 80]


def test_without_noise_the_features_are_compared_as_they_are_but_for_the_noise_that_is_predicted(
    metric, source, target, monkeypatch
):
    """gamma = 1, a denoiser that returns zero, unit noise, an autoencoder that is the identity."""
    monkeypatch.setattr(Gamma, 'forward', lambda self, feature: feature.new_ones(len(feature), 1, 1, 1))
    monkeypatch.setattr(torch, 'randn_like', torch.ones_like)
    target = standardise(target)  # as the autoencoder's features are, which are the teacher's here
    for parameter in metric.noise_of.layers[-1].parameters():
        torch.nn.init.zeros_(parameter)
    expected = F.mse_loss(source / SIGNAL[400] ** 0.5, target) + 1.0  # the squared noise, which was not predicted
    assert metric(source, target).item() == pytest.approx(expected.item())
    metric.diffusion_weight = 3.0
    assert metric(source, target).item() == pytest.approx((expected + 2.0).item())
    metric.decode.bias.data += 2.0
    assert metric(source, target).item() == pytest.approx((expected + 2.0 + 4.0).item(), rel=1e-4)


def test_noise_is_mixed_in_as_gamma_says(metric, source, monkeypatch):
    monkeypatch.setattr(Gamma, 'forward', lambda self, feature: feature.new_full((len(feature), 1, 1, 1), 0.25))
    monkeypatch.setattr(torch, 'randn_like', torch.ones_like)
    monkeypatch.setattr(Denoiser, 'forward', lambda self, state, time: 0 * state)
    assert torch.allclose(metric.denoise(source), (0.25 * source + 0.75) / SIGNAL[400] ** 0.5)


def test_latent_features_have_the_scale_of_the_noise(metric, target):
    """Whatever that of the teacher's: the loss does not change with it, but for the autoencoder's term."""
    code = standardise(100 * target + 7)
    assert torch.allclose(code.mean((0, 2, 3)), torch.zeros(6).double()) and torch.allclose(
        code, standardise(target), atol=1e-4
    )
    assert torch.allclose(code.square().mean((0, 2, 3)), torch.ones(6).double(), atol=1e-4)
    assert torch.equal(standardise(target[:1, :, :1, :1]), torch.zeros(1, 6, 1, 1).double())


def test_gamma_is_one_share_an_image(source):
    gamma = Gamma(6).double()(source)
    assert gamma.shape == (2, 1, 1, 1) and 0 < gamma.min() <= gamma.max() < 1


def test_the_autoencoder_learns_from_its_own_term_alone(metric, source, target):
    metric.autoencoder_weight = 0.0
    metric(source.requires_grad_(), target).backward()
    assert source.grad.norm() > 0 and metric.project.weight.grad.norm() > 0
    assert not metric.encode.weight.grad.any() and not metric.decode.weight.grad.any()


def test_all_parameters_are_trained():
    torch.manual_seed(0)
    metric = DiffKDMetric(32).double()
    metric(*torch.randn(2, 2, 32, 4, 4, dtype=torch.float64)).backward()
    assert all(parameter.grad.norm() > 0 for parameter in metric.parameters())


def test_a_trained_denoiser_tells_noise_from_feature():
    """The teacher's features are plus or minus one in all channels; noise is not."""
    torch.manual_seed(0)
    metric = DiffKDMetric(4, latent_channels=4)
    optimizer = torch.optim.Adam(metric.noise_of.parameters(), lr=0.01)
    for _ in range(150):
        loss = torch.stack(
            [metric.diffusion_loss(torch.randn(16, 1, 8, 8).sign().expand(-1, 4, -1, -1)) for _ in range(4)]
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    clean = torch.randn(16, 1, 8, 8).sign().expand(-1, 4, -1, -1)
    noisy = SIGNAL[400] ** 0.5 * clean + (1 - SIGNAL[400]) ** 0.5 * torch.randn(16, 4, 8, 8)
    denoised = ddim(metric.noise_of, noisy, metric.times)
    assert F.mse_loss(denoised, clean) < 0.5 * F.mse_loss(noisy / SIGNAL[400] ** 0.5, clean)


@pytest.mark.parametrize(
    'settings',
    [
        dict(latent_channels=3),
        dict(num_steps=0),
        dict(num_steps=5, start=4),
        dict(start=1001),
        dict(latent_channels=0),
        dict(diffusion_weight=-1),
    ],
)
def test_numbers_out_of_range_are_refused(settings):
    with pytest.raises(
        ValueError,
        match='`latent_channels` of DiffKD must be even and at least 2, 1 <= `num_steps` <= `start` <= 1000, '
        'and the weights',
    ):
        DiffKDMetric(6, **settings)
