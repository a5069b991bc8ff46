import json

import pytest

from mmfmkt.lab.benchmark.cases import Case
from mmfmkt.lab.benchmark.report import draw_chart, floor, inference_table, slopes, to_json, training_table
from mmfmkt.lab.benchmark.rounds import Result


def result(name, seconds, **settings):
    rounds = [dict(total=value, student=value / 4, backward=value * 3 / 4) for value in seconds]
    return Result(Case(name, {}, True), rounds, [value / 2 for value in seconds], memory=2**30, **settings)


@pytest.fixture
def results():
    plain = result('student', [2, 2, 2], flops=dict(student=10, backward=20), rates=dict(float32=10, bfloat16=20))
    return [
        plain,
        result('fmkt-theta:light:1', [2.2, 2.1, 9.0], flops=dict(student=10, backward=22, teacher=8, flow=1)),
        result('fmkt-theta:light:4', [2.5], flops=dict(student=10, backward=28, teacher=8, flow=4)),
        Result(Case('cwd', {}, True), error='ValueError: no'),
    ]


def test_rows_have_the_medians(results):
    rows = training_table(results, False).splitlines()
    assert [row.split('|')[1].strip() for row in rows[2:]] == [
        'student',
        'fmkt-theta:light:1',
        'fmkt-theta:light:4',
        'cwd',
    ]
    assert '| 2.200 (2.100-9.000) | 1.10 |' in rows[3] and '| 1024 | 1.00 |' in rows[3]
    assert '| 0.550   | 1.650    |' in rows[3]
    assert 'ValueError: no' in rows[-1] and '1.250' in inference_table(results)


def test_the_floor_counts_every_part_at_the_rate_of_its_precision(results):
    plain, one, _, _ = results
    assert floor(plain, plain, False) == 1
    assert floor(one, plain, False) == pytest.approx((30 / 10 + 8 / 20 + 3 / 20) / 3)
    one.case = Case('fmkt:light:1', {}, True)  # a flow that is deployed has the precision of the training
    assert floor(one, plain, False) == pytest.approx((30 / 10 + 8 / 20 + 3 / 10) / 3)
    one.case = Case('mmrazor-fpn', {}, True)
    assert floor(one, plain, False) == pytest.approx((30 + 8 + 3) / 10 / 3)
    assert floor(one, plain, True) == pytest.approx((30 + 8 + 3) / 20 / (30 / 20))


def test_the_slope_is_the_cost_of_a_step(results):
    assert slopes(results) == ['fmkt-theta:light: 1.050 + 0.0500 N of the plain student, within 0.000 of N = 1, 4']


def test_everything_is_written(results, tmp_path):
    written = json.loads(to_json(results, dict(title='pair')))
    assert written['title'] == 'pair' and written['results'][1]['rounds'][2]['total'] == 9.0
    draw_chart(results, 'pair', tmp_path / 'chart.png')
    assert (tmp_path / 'chart.png').stat().st_size > 5000
