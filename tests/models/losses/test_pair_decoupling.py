import pytest
import torch

from mmfmkt.flow import transport
from mmfmkt.models import FMKTLoss, TeacherTarget
from mmfmkt.models.losses.pair_decoupling import decouple, decoupled_order

L2 = dict(type='mmrazor.L2Loss', normalize=False)


@pytest.mark.parametrize(
    'batch_size, keep_pairs, moved', [(8, 1.0, 0), (8, 0.5, 4), (8, 0.0, 8), (2, 0.5, 0), (1, 0.0, 0)]
)
def test_the_share_that_is_not_kept_gets_the_target_of_another(batch_size, keep_pairs, moved):
    for seed in range(20):
        torch.manual_seed(seed)
        order = decoupled_order(batch_size, keep_pairs)
        assert sorted(order.tolist()) == list(range(batch_size))
        assert (order != torch.arange(batch_size)).sum() == moved


def test_the_teachers_tensor_is_neither_written_to_nor_shared():
    target = torch.randn(8, 3, 2, 2)
    before = target.clone()
    decoupled = decouple(target, decoupled_order(8, 0.0))
    decoupled.zero_()
    assert torch.equal(target, before)


def test_the_loss_never_writes_into_the_teachers_tensor(source, target, curved):
    before, version = target.clone(), target._version
    FMKTLoss(L2, target=TeacherTarget(keep_pairs=0.0)).train()({0: transport(source, curved, 2)}, [target])
    assert torch.equal(target, before) and target._version == version


def test_all_levels_are_decoupled_alike(curved):
    """The images are swapped as wholes: with two of them and no pair kept, every level meets the other image's."""
    sources, targets = torch.randn(2, 2, 2, 6, 4, 4, dtype=torch.float64)
    trajectories = {level: transport(source, curved, 2) for level, source in enumerate(sources)}
    decoupled = FMKTLoss(L2, target=TeacherTarget(keep_pairs=0.0)).train()(trajectories, list(targets))
    swapped = FMKTLoss(L2)(trajectories, [target.flip(0) for target in targets])
    torch.testing.assert_close(decoupled, swapped, rtol=1e-12, atol=0)


def test_in_eval_mode_all_pairs_are_kept(source, target, curved):
    trajectories = {0: transport(source, curved, 2)}
    assert torch.equal(
        FMKTLoss(L2, target=TeacherTarget(keep_pairs=0.0)).eval()(trajectories, [target]),
        FMKTLoss(L2)(trajectories, [target]),
    )


@pytest.mark.parametrize('keep_pairs', [-0.1, 1.5])
def test_a_share_outside_the_unit_interval_is_refused(keep_pairs):
    with pytest.raises(ValueError, match=rf'`keep_pairs` must lie in \[0, 1\], but got {keep_pairs}'):
        FMKTLoss(target=TeacherTarget(keep_pairs=keep_pairs))
