import math

import pytest

from mmfmkt.lab.study.statistics import Difference, paired_difference, recovered


def test_the_interval_is_students_t_over_the_differences_of_equal_seeds():
    difference = paired_difference({0: 11.0, 1: 22.0, 2: 33.0, 7: 99.0}, {2: 30.0, 0: 10.0, 1: 20.0, 8: -99.0})
    assert difference.mean == pytest.approx(2.0) and difference.num_seeds == 3
    half = 4.302652729696142 / math.sqrt(3)  # the 97.5 % quantile with 2 degrees of freedom; the deviation is 1
    assert (difference.low, difference.high) == pytest.approx((2 - half, 2 + half))


def test_one_seed_has_no_interval_and_no_seed_no_difference():
    alone = paired_difference({0: 3.0}, {0: 1.0})
    assert alone == Difference(2.0, -math.inf, math.inf, 1) and alone.verdict == 'open'
    assert paired_difference({0: 3.0}, {1: 1.0}) is None


@pytest.mark.parametrize(
    'low, high, verdict', [(0.1, 2.0, 'better'), (-2.0, -0.1, 'worse'), (-0.1, 2.0, 'open'), (0.0, 0.0, 'open')]
)
def test_no_winner_is_named_where_the_interval_contains_zero(low, high, verdict):
    assert Difference((low + high) / 2, low, high, 3).verdict == verdict


def test_the_gap_is_zero_at_the_plain_student_and_one_at_the_teacher():
    plain = {0: 30.0, 1: 32.0, 2: 45.0}
    assert recovered(plain, plain, 40.0) == [0.0, 0.0]  # the third has none
    assert recovered({0: 40.0, 1: 40.0, 3: 1.0}, plain, 40.0) == [1.0, 1.0]
    assert recovered({0: 35.0}, plain, 40.0) == [0.5]
