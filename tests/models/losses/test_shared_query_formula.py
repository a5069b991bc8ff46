"""KD-DETR by hand: the distance of two predictions, and the queries."""

import math

import pytest
import torch

from mmfmkt.models import SharedQueryLoss
from mmfmkt.models.losses.shared_query_loss import distance, moved


def outputs(number, queries=1, logit=0.0, box=(0.5, 0.5, 0.2, 0.2)):
    """Predictions of this many layers, all the same, of one class, float64."""
    boxes = torch.tensor(box, dtype=torch.float64).expand(number, 1, queries, 4)
    return torch.full((number, 1, queries, 1), logit, dtype=torch.float64), boxes


@pytest.mark.parametrize('weights, expected', [((1, 0, 0), 'kl'), ((0, 1, 0), 'l1'), ((0, 0, 1), 'giou')])
def test_each_term_of_one_query_by_hand(weights, expected):
    """Scores of 1/2 and 3/4; boxes of side 0.2 that are 0.1 apart have a third of their union in common."""
    value = distance(outputs(1), outputs(1, logit=math.log(3), box=(0.6, 0.5, 0.2, 0.2)), weights)
    terms = dict(kl=0.75 * math.log(1.5) + 0.25 * math.log(0.5), l1=0.1, giou=2 / 3)
    assert value.dtype == torch.float64 and value.item() == pytest.approx(0.75 * terms[expected], rel=1e-9)


def test_the_divisor_is_the_sum_of_the_scores_that_would_be_reported():
    """Four queries of score 3/4 divide by 3; of queries below 0.05 there may be any number."""
    sure = outputs(1, 4, math.log(3), (0.6, 0.5, 0.2, 0.2))
    unsure = outputs(1, 40, -4.0, (0.6, 0.5, 0.2, 0.2))
    student = outputs(1, 44)
    both = tuple(torch.cat(parts, 2) for parts in zip(sure, unsure))
    background = 40 / (1 + math.exp(4)) * 0.1
    assert distance(student, both, (0, 1, 0)).item() == pytest.approx((3 * 0.1 + background) / 3, rel=1e-9)
    assert distance(outputs(1, 40), unsure, (0, 1, 0)).item() == pytest.approx(background, rel=1e-9)


def test_last_layers_are_compared_with_last_layers_and_summed():
    layers = [outputs(1, box=(0.5 + shift, 0.5, 0.2, 0.2)) for shift in (0.3, 0.2, 0.1)]
    teacher = tuple(torch.cat(parts) for parts in zip(*layers))
    assert distance(outputs(1), teacher, (0, 1, 0)).item() == pytest.approx(0.5 * 0.1)
    assert distance(outputs(2), teacher, (0, 1, 0)).item() == pytest.approx(0.5 * (0.1 + 0.2))
    assert distance(teacher, outputs(2), (0, 1, 0)).item() == pytest.approx(0.5 * (0.1 + 0.2))


def test_tiny_boxes_that_agree_have_no_distance():
    box = (0.5, 0.5, 1e-4, 1e-4)
    assert distance(outputs(1, box=box), outputs(1, box=box), (0, 0, 1)).item() == pytest.approx(0, abs=1e-6)


def test_predictions_in_half_precision_are_compared_in_float32():
    student, teacher = ([part.half() for part in outputs(1, logit=logit)] for logit in (0.0, 1.0))
    assert distance(student, teacher, (1, 5, 2)).dtype == torch.float32


def test_general_queries_are_those_of_the_teacher_at_random_places():
    content, position = (torch.randn(2, 20, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    queries = dict(query=content, query_pos=position, reference_points=torch.full((2, 20, 4), 0.5))
    torch.manual_seed(0)
    first, second = moved(queries, 50), moved(queries, 50)
    for index in range(50):
        (row,) = (content[0] == first['query'][0, index]).all(1).nonzero()[0]
        assert torch.equal(first['query'][1, index], content[1, row])
        assert torch.equal(first['query_pos'][:, index], position[:, row])
    places = first['reference_points']
    assert places.shape == (2, 50, 4) and places.min() >= 0 and places.max() <= 1 and places.std() > 0.2
    assert not torch.equal(places, second['reference_points']) and not torch.equal(places[0], places[1])
    torch.manual_seed(0)
    assert torch.equal(places, moved(queries, 50)['reference_points'])


@pytest.mark.parametrize('number', [0, -1, 2.5, '300'])
def test_a_number_of_general_queries_that_is_none_is_refused(number):
    with pytest.raises(ValueError, match='`num_general` of SharedQueryLoss must be a whole number of at least 1, but'):
        SharedQueryLoss(num_general=number)


@pytest.mark.parametrize(
    'settings', [dict(general_weight=0, specific_weight=0), dict(l1_weight=-1.0), dict(loss_weight=-1.0)]
)
def test_weights_that_train_nothing_or_the_opposite_are_refused(settings):
    with pytest.raises(ValueError, match='the weights of SharedQueryLoss must be at least 0, and .* but got general_'):
        SharedQueryLoss(**settings)
