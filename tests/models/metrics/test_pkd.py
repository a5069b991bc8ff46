import pytest
import torch
from mmrazor.models.losses import PKDLoss

from mmfmkt.models import PKDMetric
from mmfmkt.models.metrics import pkd as pkd


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, 3, 5, 6, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]


def test_one_process_computes_mmrazors_pkd(features):
    losses = [loss(*features) for loss in (PKDMetric(2.0), PKDLoss(2.0))]
    gradients = [torch.autograd.grad(loss, features[0])[0] for loss in losses]
    torch.testing.assert_close(*losses, rtol=1e-12, atol=0)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_its_gradient_is_that_of_its_values(source, target):
    assert torch.autograd.gradcheck(
        lambda x: torch.stack(PKDMetric().distances([x, 3 * x.sin()], target)), source.requires_grad_()
    )


@pytest.mark.parametrize('size', [(7, 6), (10, 12)])
@pytest.mark.parametrize('resize_stu', [True, False])
def test_it_resizes_what_mmrazors_resizes(features, size, resize_stu):
    other = torch.nn.functional.interpolate(features[1].detach(), size)
    losses = [loss(resize_stu=resize_stu)(features[0], other) for loss in (PKDMetric, PKDLoss)]
    torch.testing.assert_close(*losses, rtol=1e-12, atol=0)


def test_several_predictions_have_the_losses_that_each_has(features, target):
    predictions = [features[0], features[1], features[0] + features[1]]
    together = PKDMetric().distances(predictions, features[1])
    assert [loss.item() for loss in together] == [PKDMetric()(each, features[1]).item() for each in predictions]
    assert together[1] == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_features_of_any_precision_and_layout_are_summed_in_float32(features, dtype, memory_format):
    prediction, target = (feature.detach().to(dtype) for feature in features)
    loss = PKDMetric()(prediction.contiguous(memory_format=memory_format), target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, PKDLoss()(prediction.float(), target.float()), rtol=1e-6, atol=0)


def test_it_is_one_minus_the_correlation(source, target):
    loss = PKDMetric()(source, target)
    rows = [each.transpose(0, 1).flatten(1) for each in (source, target)]
    correlation = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*rows)]).mean()
    n = rows[0].shape[1]
    torch.testing.assert_close(
        loss, (1 - correlation) * (n - 1) / n, rtol=1e-5, atol=0
    )  # MMRazor's divide by n - 1, its mean by n


def test_a_single_location_has_no_correlation():
    features = [torch.randn(1, 8, 1, 1, requires_grad=True) for _ in range(2)]
    loss = PKDMetric()(*features)
    loss.backward()
    assert loss == 0 and not features[0].grad.any() and PKDLoss()(*features).isnan()


class Processes:
    """Processes that take turns: what each passes to `all_reduce` is kept, and added up in the second turn."""

    def __init__(self, monkeypatch, number):
        self.number, self.kept = number, []
        monkeypatch.setattr(pkd, 'get_world_size', lambda: number)
        monkeypatch.setattr(pkd, 'all_reduce', self.all_reduce)

    def all_reduce(self, tensor):
        self.kept.append(tensor.clone())
        if len(self.kept) > self.number:
            tensor.copy_(sum(self.kept[: self.number]))


def test_shares_in_several_processes_have_the_loss_and_the_gradients_of_the_whole(monkeypatch):
    features = [torch.randn(5, 3, 4, 2, dtype=torch.float64) * 0.1 + 10 for _ in range(3)]
    predictions, target = [feature.requires_grad_() for feature in features[:2]], features[2]
    expected = PKDMetric().distances(predictions, target)
    gradients = torch.autograd.grad(expected[0] + 2 * expected[1], predictions)
    Processes(monkeypatch, 2)
    shares = [slice(0, 2), slice(2, 5)]
    for turn in range(2):
        for share in shares:
            losses = PKDMetric().distances([prediction[share] for prediction in predictions], target[share])
            if turn:
                torch.testing.assert_close(losses, expected, rtol=1e-9, atol=0)
                (losses[0] + 2 * losses[1]).backward()
    for prediction, gradient in zip(predictions, gradients):  # the mean over processes is that of the whole
        torch.testing.assert_close(prediction.grad / 2, gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('value', [0.0, 3.0])
@pytest.mark.parametrize('processes', [1, 2])
def test_a_constant_channel_has_finite_gradients(monkeypatch, value, processes):
    monkeypatch.setattr(pkd, 'get_world_size', lambda: processes)
    monkeypatch.setattr(pkd, 'all_reduce', lambda tensor: tensor.mul_(2))
    feature = torch.full((2, 4, 3, 3), value, requires_grad=True)
    PKDMetric()(feature, torch.randn(2, 4, 3, 3)).backward()
    assert feature.grad.isfinite().all()
