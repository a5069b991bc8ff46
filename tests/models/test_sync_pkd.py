import pytest
import torch
from mmrazor.models.losses import PKDLoss

from mmfmkt.models import SyncPKDLoss
from mmfmkt.models.losses import sync_pkd


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, 3, 5, 6, generator=generator).requires_grad_() for _ in range(2)]


def test_one_process_computes_mmrazors_pkd_to_the_last_digit(features):
    losses = [loss(*features) for loss in (SyncPKDLoss(), PKDLoss())]
    gradients = [torch.autograd.grad(loss, features[0])[0] for loss in losses]
    assert torch.equal(*losses) and torch.equal(*gradients)


def test_it_is_one_minus_the_correlation(source, target):
    loss = SyncPKDLoss()(source, target)
    rows = [each.transpose(0, 1).flatten(1) for each in (source, target)]
    correlation = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*rows)]).mean()
    n = rows[0].shape[1]
    torch.testing.assert_close(loss, (1 - correlation) * (n - 1) / n, rtol=1e-5, atol=0)  # MMRazor's divide by n - 1, its mean by n


def test_a_single_location_has_no_correlation():
    features = [torch.randn(1, 8, 1, 1, requires_grad=True) for _ in range(2)]
    loss = SyncPKDLoss()(*features)
    loss.backward()
    assert loss == 0 and not features[0].grad.any() and PKDLoss()(*features).isnan()


def test_the_joined_statistics_of_shares_are_those_of_the_whole(monkeypatch):
    """The two processes take turns: what one passes to `all_reduce` is kept for the other."""
    rows = torch.randn(3, 20, dtype=torch.float64) * 0.01 + 100
    shares, kept = [rows[:, :7], rows[:, 7:]], []
    for first_pass in (True, True, False):  # the squares need the mean of both
        sums = [list(each) for each in kept]
        kept = []
        for rank, share in enumerate(shares):
            kept.append([])

            def all_reduce(tensor, rank=rank):
                number = len(kept[rank])
                kept[rank].append(tensor.clone())
                tensor += sum(each[number] for other, each in enumerate(sums) if other != rank and len(each) > number)

            monkeypatch.setattr(sync_pkd, 'all_reduce', all_reduce)
            mean, std = sync_pkd.joined_statistics(share)
    torch.testing.assert_close(mean, rows.mean(1, keepdim=True), rtol=1e-12, atol=0)
    torch.testing.assert_close(std, rows.std(1, keepdim=True), rtol=1e-9, atol=0)


@pytest.mark.parametrize('value', [0.0, 3.0])
def test_a_constant_channel_has_finite_gradients_in_several_processes(monkeypatch, value):
    monkeypatch.setattr(sync_pkd, 'all_reduce', lambda tensor: tensor.mul_(2))
    rows = torch.full((2, 4), value, requires_grad=True)
    mean, std = sync_pkd.joined_statistics(rows)
    ((rows - mean) / (std + 1e-6)).square().sum().backward()
    assert rows.grad.isfinite().all()
