import json

import pytest

from mmfmkt.visualization.logs import read_run, read_runs


def train(step, epoch=1, **losses):
    losses = losses or dict(loss_cls=1.0)
    return dict(losses, loss=sum(losses.values()), lr=0.1, epoch=epoch, iter=step, step=step)


def flow(step, *distances, loss='loss_fmkt', level=0):
    prefix = f'flow/{loss}/level{level}'
    steps = {f'{prefix}/step{number}': distance for number, distance in enumerate(distances, 1)}
    return dict(steps, **{f'{prefix}/output_error': 1.0, f'{prefix}/ambiguity': 0.5}, step=step)


def val(step, ap):
    return {'coco/bbox_mAP': ap, 'coco/bbox_mAP_l': -1.0, 'time': 0.1, 'step': step}


@pytest.fixture
def write(tmp_path):
    """Write the entries of one start of a run, and give its folder."""

    def to(run, *entries, start='20260101_000000', end=''):
        file = tmp_path / run / start / 'vis_data' / 'scalars.json'
        file.parent.mkdir(parents=True)
        file.write_text('\n'.join(map(json.dumps, entries)) + '\n' + end)
        return tmp_path / run

    return to


def test_validations_are_numbered_by_epochs_or_by_iterations(write):
    by_epoch = read_run(write('a', train(50), train(100), val(1, 0.2), train(150), val(2, 0.3)), 'a')
    assert by_epoch.counts_epochs() and by_epoch.metric('coco/bbox_mAP', by_epoch=True) == {1: 0.2, 2: 0.3}
    assert by_epoch.metric('coco/bbox_mAP', by_epoch=False) == {100: 0.2, 150: 0.3}
    by_iteration = read_run(write('b', val(20, 0.1), train(50), val(60, 0.2), train(100), val(120, 0.3)), 'b')
    assert not by_iteration.counts_epochs()
    assert by_iteration.metric('coco/bbox_mAP', by_epoch=False) == {20: 0.1, 60: 0.2, 120: 0.3}


def test_a_metric_of_no_objects_is_no_value(write):
    assert read_run(write('a', train(50), val(1, 0.2)), 'a').metric('coco/bbox_mAP_l', by_epoch=True) == {}


def test_a_resumed_run_supersedes_what_was_logged_beyond_its_first_iteration(write):
    write(
        'a',
        train(50),
        flow(50, 1.0),
        train(100),
        val(1, 0.2),
        train(150, loss=9.0),
        flow(150, 9.0),
        train(200),
        val(2, 0.9),
    )
    folder = write('a', train(150, loss=3.0), flow(150, 3.0), start='20260102_000000')
    log = read_run(folder, 'a')
    assert log.loss('loss') == {50: 1.0, 100: 1.0, 150: 3.0}
    assert log.flow_steps('loss_fmkt', 0) == {1.0: {50: 1.0, 150: 3.0}}
    assert log.metric('coco/bbox_mAP', by_epoch=True) == {1: 0.2}


def test_a_validation_made_up_for_after_resuming_is_kept(write):
    write('a', train(50), train(100))
    log = read_run(write('a', val(1, 0.2), train(150), val(2, 0.3), start='20260102_000000'), 'a')
    assert log.metric('coco/bbox_mAP', by_epoch=True) == {1: 0.2, 2: 0.3}


def test_the_line_on_which_a_run_was_killed_is_skipped(write):
    assert read_run(write('a', train(50), end='{"loss": 0.'), 'a').loss('loss') == {50: 1.0}


def test_a_damaged_line_elsewhere_is_named(write):
    folder = write('a', train(50), end='{"loss": 0.\n' + json.dumps(train(100)))
    with pytest.raises(ValueError, match=r"line 2 of .*scalars.json is '\{\"loss\": 0.'"):
        read_run(folder, 'a')


def test_values_that_are_not_finite_are_left_out(write):
    log = read_run(write('a', train(50, loss_cls=float('nan')), train(100)), 'a')
    assert log.loss('loss') == log.task_loss() == {100: 1.0}


def test_the_detectors_own_losses_are_those_that_distillation_does_not_add(write):
    losses = {'loss_cls': 1.0, 'loss_bbox': 2.0, 'distill.loss_fmkt': 4.0, 'flow.loss_cls': 8.0}
    assert read_run(write('a', train(50, **losses)), 'a').task_loss() == {50: 3.0}


def test_losses_of_a_teacher_that_takes_turns_leave_the_detectors_own_as_they_are(write):
    entry = {'loss_cls': 1.0, 'loss': 3.0, 'distill.loss_a': 2.0, 'distill.loss_b': 2.0, 'step': 50}  # 2 each time
    assert read_run(write('a', entry), 'a').task_loss() == {50: 1.0}


def test_steps_are_known_by_their_times_also_where_their_number_is_drawn(write):
    log = read_run(write('a', train(50), flow(50, 1.0, 2.0, 3.0, 4.0), flow(100, 5.0, 6.0), flow(150, 7.0)), 'a')
    steps = log.flow_steps('loss_fmkt', 0)
    assert list(steps) == [1.0, 0.75, 0.5, 0.25]
    assert steps == {1.0: {50: 1.0, 100: 5.0, 150: 7.0}, 0.75: {50: 2.0}, 0.5: {50: 3.0, 100: 6.0}, 0.25: {50: 4.0}}


def test_a_step_that_is_not_finite_leaves_the_others_at_their_times(write):
    nan = float('nan')
    log = read_run(write('a', train(50), flow(50, 1.0, nan, 3.0, 4.0), flow(100, nan, level=1)), 'a')
    assert log.flow_steps('loss_fmkt', 0) == {1.0: {50: 1.0}, 0.5: {50: 3.0}, 0.25: {50: 4.0}}
    assert log.flow_steps('loss_fmkt', 1) == {}


def test_every_loss_has_its_levels(write):
    entry = {**flow(50, 1.0, level=10), **flow(50, 1.0, level=2), **flow(50, 1.0, loss='loss_logit')}
    log = read_run(write('a', train(50), entry), 'a')
    assert log.flow_levels() == {'loss_fmkt': [2, 10], 'loss_logit': [0]}
    assert log.flow_value('loss_logit', 0, 'ambiguity') == {50: 0.5}


def test_a_group_is_a_name_without_its_seed(write):
    runs = read_runs([write(name, train(50)) for name in ('fmkt_seed0', 'fmkt_seed11', 'pkd_0')])
    assert [run.name for run in runs] == ['fmkt_seed0', 'fmkt_seed11', 'pkd_0']
    assert [run.group for run in runs] == ['fmkt', 'fmkt', 'pkd_0']


def test_folders_without_a_log_are_refused(tmp_path):
    with pytest.raises(ValueError, match='no-run is no folder'):
        read_runs([tmp_path / 'no-run'])
    with pytest.raises(ValueError, match=r'has no entries in \*/vis_data/scalars.json'):
        read_runs([tmp_path])


def test_there_is_one_name_for_each_run(write):
    folders = [write(name, train(50)) for name in ('a', 'b')]
    with pytest.raises(ValueError, match='one for each of the 2 folders, but got 1: FM-KT'):
        read_runs(folders, ['FM-KT'])
    with pytest.raises(ValueError, match='several called x: set them with --names'):
        read_runs(folders, ['x', 'x'])
