import cv2
import pytest

from mmfmkt.visualization import flow_log_chart, log_charts
from mmfmkt.visualization.curves import ends, last, over_seeds, ranking, smooth, styles
from mmfmkt.visualization.log_charts import draw_logs
from mmfmkt.visualization.logs import RunLog, Validation

PREFIX = 'flow/loss_fmkt/level0'


def run(name, aps=(), **flow):
    """A run of three entries; `flow` are those of its first level."""
    training = {50 * k: {'loss': 3.0 / k, 'loss_cls': 1.0 / k, 'distill.loss_fmkt': 2.0 / k} for k in (1, 2, 3)}
    logged = {50 * k: {f'{PREFIX}/{key}': value for key, value in flow.items()} for k in (1, 2, 3)} if flow else {}
    validations = {epoch: Validation(50 * epoch, epoch, {'coco/bbox_mAP': ap}) for epoch, ap in enumerate(aps, 1)}
    return RunLog(name, training, logged, validations)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are written, by the name of their file."""
    figures, finish = {}, log_charts.finish

    def remember(figure, paragraphs, file):
        figures[file.name] = figure
        return finish(figure, paragraphs, file)

    for module in (log_charts, flow_log_chart):
        monkeypatch.setattr(module, 'finish', remember)
    return figures


def test_there_is_a_chart_of_everything_that_was_logged(tmp_path):
    runs = [run('student'), run('fmkt_seed0', [0.1, 0.2], step1=1.0, step2=2.0, output_error=0.5, ambiguity=0.1)]
    files = draw_logs(runs, 'coco/bbox_mAP', tmp_path / 'new')
    assert [file.name for file in files] == ['metric.png', 'losses.png', 'flow_fmkt_seed0.png']
    assert all(min(cv2.imread(str(file)).shape[:2]) > 400 for file in files)


def test_before_the_first_validation_losses_are_drawn(tmp_path):
    assert [file.name for file in draw_logs([run('student')], 'coco/bbox_mAP', tmp_path)] == ['losses.png']


def test_without_objects_of_a_metric_losses_are_drawn(tmp_path):
    assert [file.name for file in draw_logs([run('a', [-1.0])], 'coco/bbox_mAP', tmp_path)] == ['losses.png']


def test_a_metric_that_no_run_has_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(ValueError, match='but got coco/mAP; the logs have coco/bbox_mAP$'):
        draw_logs([run('student', [0.1])], 'coco/mAP', tmp_path)


def test_seeds_share_a_colour_and_have_a_mean_in_percent(tmp_path, drawn):
    runs = [run('a_seed0', [0.1, 0.2]), run('a_seed1', [0.3, 0.4]), run('b', [0.1, 0.5]), run('c', [0.05])]
    draw_logs(runs[:3], 'coco/bbox_mAP', tmp_path)
    (axes,) = drawn['metric.png'].axes
    first, second, mean, single = axes.get_lines()
    assert list(mean.get_ydata()) == pytest.approx([20, 30]) and list(single.get_ydata()) == [10, 50]
    assert first.get_color() == second.get_color() == mean.get_color() != single.get_color()
    assert [text.get_text() for text in drawn['metric.png'].legends[0].get_texts()] == ['b: 50.0', 'a: 30.0 ± 14.1']
    draw_logs(runs, 'coco/bbox_mAP', tmp_path)
    assert drawn['metric.png'].axes[0].get_lines()[-1].get_marker() == 'o'
    assert [text.get_text() for text in drawn['metric.png'].legends[0].get_texts()] == [
        'b: 50.0 (epoch 2)',
        'a: 30.0 ± 14.1 (epoch 2)',
        'c: 5.0 (epoch 1)',
    ]


def test_runs_that_were_validated_once_are_rows_with_the_best_above(tmp_path, drawn):
    draw_logs([run('a_seed0', [0.1]), run('a_seed1', [0.3]), run('b', [0.5])], 'coco/bbox_mAP', tmp_path)
    (axes,) = drawn['metric.png'].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ['b: 50.0', 'a: 20.0 ± 14.1']
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_a_run_that_was_not_measured_is_named(tmp_path, drawn):
    draw_logs([run('a', [0.1]), run('b')], 'coco/bbox_mAP', tmp_path)
    assert drawn['metric.png'].get_supxlabel().replace('\n', ' ').endswith('Not measured so far: b.')


def test_every_step_is_a_line_with_its_time_and_its_difference_to_the_mean(tmp_path, drawn):
    draw_logs([run('a', step1=3.0, step2=1.0, output_error=0.5, ambiguity=0.1)], 'coco/bbox_mAP', tmp_path)
    steps, differences, errors = drawn['flow_a.png'].axes
    times = {line.get_label(): list(line.get_ydata()) for line in steps.get_lines() if line.get_label().startswith('t')}
    assert times == {'t = 1': [3, 3, 3], 't = 0.5': [1, 1, 1]}
    assert [line.get_ydata()[0] for line in differences.get_lines() if line.get_label().startswith('t')] == [50, -50]
    assert errors.get_yscale() == 'log' and errors.get_legend_handles_labels()[1] == ['output error', 'ambiguity']


def test_of_drawn_numbers_of_steps_the_largest_has_its_differences(tmp_path, drawn):
    drawn_n = run('a', step1=3.0, step2=1.0, step3=2.0, output_error=0.5)
    drawn_n.flow[200] = {f'{PREFIX}/step1': 4.0, f'{PREFIX}/step2': 2.0}
    draw_logs([drawn_n], 'coco/bbox_mAP', tmp_path)
    lines = [line for line in drawn['flow_a.png'].axes[1].get_lines() if line.get_label().startswith('t')]
    assert {line.get_label(): line.get_ydata()[0] for line in lines} == {'t = 1': 50, 't = 0.667': -50, 't = 0.333': 0}


def test_a_flow_that_is_nowhere_finite_is_not_drawn(tmp_path):
    files = draw_logs([run('a', step1=float('nan'))], 'coco/bbox_mAP', tmp_path)
    assert [file.name for file in files] == ['losses.png']


def test_what_is_zero_is_not_on_a_logarithmic_axis(tmp_path, drawn):
    runs = [
        run('one-step', step1=1.0, output_error=0.5, ambiguity=0.0),
        run('ofmkt', step1=1.0, output_error=4e-15, ambiguity=1e-7),
    ]
    draw_logs(runs, 'coco/bbox_mAP', tmp_path)
    assert drawn['flow_one-step.png'].axes[2].get_legend_handles_labels()[1] == ['output error']
    assert drawn['flow_ofmkt.png'].axes[2].get_legend_handles_labels()[1] == ['ambiguity']


def test_a_running_median_drops_outliers_and_keeps_the_first_value():
    curve = {x: 100.0 if x == 10 else 1.0 for x in range(1, 21)}
    curve[1] = 50.0
    assert smooth(curve) == {x: 50.0 if x == 1 else 1.0 for x in curve}
    assert smooth({50: 7.0}) == {50: 7.0} and smooth({}) == {}


def test_the_mean_is_taken_where_all_seeds_have_a_value():
    mean, deviation = over_seeds([{1: 1.0, 2: 2.0, 3: 3.0}, {1: 3.0, 2: 2.0}])
    assert mean == {1: 2.0, 2: 2.0} and deviation == {1: pytest.approx(2**0.5), 2: 0.0}
    assert over_seeds([{1: 5.0}]) == ({1: 5.0}, {1: 0.0})


def test_the_highest_last_value_ranks_first():
    assert ranking({'low': [{1: 1.0}], 'high': [{1: 0.0, 2: 3.0}]}) == ['high', 'low']


def test_the_last_values_of_seeds_are_of_one_epoch_if_they_share_one():
    assert last([{1: 0.0, 2: 1.0, 3: 40.0}, {1: 5.0, 2: 2.0}]) == [1.0, 2.0]
    assert last([{1: 0.0, 2: 1.0}, {3: 2.0}]) == [1.0, 2.0]
    assert ends({'a': [{1: 0.0, 2: 1.0}, {3: 2.0}], 'b': [{4: 1.0}]}, 'epoch') == {
        'a': ' (different epochs)',
        'b': ' (epoch 4)',
    }


def test_more_groups_than_colours_are_told_apart_by_their_lines():
    looks = [tuple(style.items()) for style in styles([run(f'r{k}') for k in range(40)]).values()]
    assert len(set(looks)) == 40
