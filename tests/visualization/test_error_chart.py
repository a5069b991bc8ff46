import numpy as np
import pytest

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
