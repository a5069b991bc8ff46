import torch

from mmfmkt.models.metrics.pkd import PKDMetric
from mmfmkt.visualization.measures import error_map, prominence, standardised


def test_a_standardised_feature_knows_neither_scale_nor_shift_of_a_channel(source):
    scale, shift = (
        torch.tensor([0.1, 1, 2, 3, 40, 500]).view(6, 1, 1),
        torch.tensor([-7.0, 0, 1, 2, 3, 99]).view(6, 1, 1),
    )
    torch.testing.assert_close(
        standardised(source * scale.double() + shift.double()), standardised(source), rtol=0, atol=1e-4
    )


def test_the_mean_of_the_squared_prominence_is_one(source):
    torch.testing.assert_close(prominence(standardised(source)).square().mean().item(), 1.0, rtol=0, atol=1e-5)


def test_the_distance_is_zero_for_the_same_and_two_for_the_opposite(source):
    feature = standardised(source)
    assert error_map(feature, feature).abs().max() == 0
    torch.testing.assert_close(error_map(feature, -feature).mean().item(), 2.0, rtol=0, atol=1e-5)


def test_the_mean_of_an_error_map_is_the_distance_of_pkd(source, target):
    ours, theirs = error_map(standardised(source), standardised(target)).mean(), PKDMetric()(source, target)
    # PKD divides by n - 1 locations
    torch.testing.assert_close(ours * (1 - 1 / source[:, 0].numel()), theirs, rtol=1e-5, atol=0)


def test_the_distance_of_a_single_location_is_unknown():
    feature, target = (standardised(torch.randn(1, 3, 1, 1)) for _ in range(2))
    assert error_map(feature, target).isnan().all()
    both = torch.cat([feature, feature + 1])
    assert error_map(standardised(both), standardised(both)).tolist() == [[[0.0]], [[0.0]]]


def test_a_dead_channel_is_drawn_as_nothing():
    assert standardised(torch.full((2, 3, 4, 4), 5.0)).abs().max() == 0
