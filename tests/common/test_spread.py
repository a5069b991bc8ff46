from mmfmkt.common.spread import spread


def test_spread_is_the_sample_deviation_and_missing_for_a_constant():
    assert spread([38.0, 40.0, 42.0], 1) == '40.0 ± 2.0'
    assert spread([0.99, 0.99], 2) == '0.99' and spread([41.2], 1) == '41.2'
