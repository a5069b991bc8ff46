import numpy as np
import pytest
import torch

from mmfmkt.visualization import Errors, draw_errors


@pytest.fixture
def errors(perfect):
    """Of two batches of two images."""
    errors = Errors()
    errors.add(perfect)
    errors.add(perfect)
    return errors


def test_every_image_of_every_batch_has_an_error_at_every_step(errors):
    of_states = errors.of(0, 'states')
    assert of_states.shape == (3, 4) and np.array_equal(of_states[:, :2], of_states[:, 2:])


def test_the_error_of_a_perfect_flow_falls_to_zero(errors):
    for level in (0, 1):
        student, halfway, output = errors.of(level, 'states').mean(1)
        assert student > halfway > output == 0
        assert errors.of(level, 'endpoints').max() == 0


def test_time_runs_from_the_student_on_the_left_to_the_teacher_on_the_right(errors):
    figure = draw_errors(errors)
    for axes in figure.axes:
        left, right = axes.get_xlim()
        assert left >= 1 > 0 >= right and axes.get_ylim()[0] == 0
        states = axes.lines[0]
        assert states.get_xdata().tolist() == [1, 0.5, 0] and states.get_ydata()[-1] == 0
    assert [axes.get_title() for axes in figure.axes] == ['level 0, stride 8', 'level 1, stride 16']


def test_a_chart_without_a_teacher_says_what_the_distance_is_to(errors):
    figure = draw_errors(errors, taught=False)
    assert 'output of the flow' in figure.get_suptitle() and 'no teacher' in figure.get_suptitle()


def test_images_of_which_the_distance_is_unknown_are_left_out(errors, make_path):
    whole = errors.of(0, 'states').mean(1).tolist()
    alone = torch.zeros(1, 6, 1, 1, dtype=torch.float64)  # an image by itself, on maps of one location
    errors.add({level: make_path(alone, alone, alone) for level in (0, 7)})
    known, unknown, *_ = (axes for axes in draw_errors(errors).axes if 'level 1,' not in axes.get_title())
    assert known.lines[0].get_ydata().tolist() == pytest.approx(whole) and not known.texts
    assert np.isnan(unknown.lines[0].get_ydata()).all() and unknown.texts[0].get_text() == 'undefined'
