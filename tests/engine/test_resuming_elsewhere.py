"""A run that goes on with epochs of another length."""

import pytest
from runners import Draws, Told

from mmfmkt.engine.checkpoint_files import INTERRUPTED


@pytest.mark.parametrize('batch_size, length', [(2, 2), (1, 4)])
def test_a_run_that_goes_on_with_another_batch_size_is_at_the_same_point_of_its_epochs(
    runner_of, tmp_path, batch_size, length
):
    before = 4 if batch_size == 2 else 2  # batches of an epoch
    with pytest.raises(SystemExit):
        runner_of('run', Told(before + before // 2 - 1), train_dataloader=dict(batch_size=3 - batch_size)).train()
    draws = Draws()
    resumed = runner_of(
        'run',
        draws,
        resume=True,
        load_from=str(tmp_path / 'run' / INTERRUPTED),
        train_dataloader=dict(batch_size=batch_size),
    )
    resumed.train()
    assert [batch for batch, *_ in draws.drawn.values()] == list(
        range(length // 2, length)
    ) and resumed.iter == 2 * length


@pytest.mark.parametrize('batch_size', [2, 1])
def test_gradients_are_accumulated_from_there_to_the_new_end(runner_of, tmp_path, batch_size):
    optimizer = dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01), accumulative_counts=2))
    with pytest.raises(SystemExit):
        runner_of(
            'run', Told(5 if batch_size == 2 else 2), train_dataloader=dict(batch_size=3 - batch_size), **optimizer
        ).train()
    last = dict(resume=True, load_from=str(tmp_path / 'run' / INTERRUPTED))
    resumed = runner_of('run', train_dataloader=dict(batch_size=batch_size), **last, **optimizer)
    resumed.train()
    wrapper = resumed.optim_wrapper
    assert wrapper._inner_count == wrapper._max_counts == resumed.iter == 8 // batch_size


SCHEDULES = [
    dict(type='OneCycleLR', eta_max=0.02, total_steps=2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=2, end=2, convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[1], end=2, convert_to_iter_based=True),
    dict(type='PolyLR', end=2, convert_to_iter_based=True),
    dict(type='LinearLR', start_factor=1.0, end_factor=0.1, end=2, convert_to_iter_based=True),
    dict(
        type='CosineRestartLR', periods=[1, 1], restart_weights=[1, 0.5], eta_min=0, end=2, convert_to_iter_based=True
    ),
]


@pytest.mark.parametrize('batch_size', [2, 1])
@pytest.mark.parametrize('schedule', SCHEDULES, ids=lambda schedule: schedule['type'])
def test_schedules_in_epochs_go_on_where_they_were_in_them(runner_of, tmp_path, schedule, batch_size):
    """They end as in a run that had this batch size from its start, to the rounding of an iteration."""
    loader = dict(batch_size=batch_size)
    alone = runner_of('alone', param_scheduler=[dict(schedule)], train_dataloader=loader)
    alone.train()
    before = 4 if batch_size == 2 else 2
    first = dict(param_scheduler=[dict(schedule)], train_dataloader=dict(batch_size=3 - batch_size))
    with pytest.raises(SystemExit):
        runner_of('run', Told(before - 1), **first).train()
    last = str(tmp_path / 'run' / INTERRUPTED)
    resumed = runner_of('run', param_scheduler=[dict(schedule)], resume=True, load_from=last, train_dataloader=loader)
    resumed.cfg.param_scheduler = [schedule]
    resumed.train()
    rates = [runner.optim_wrapper.get_lr()['lr'][0] for runner in (resumed, alone)]
    assert rates[0] == pytest.approx(rates[1], abs=3e-4)


@pytest.mark.parametrize(
    'epoch, iteration, expected', [(0, 0, 0), (0, 3, 3), (1, 6, 6), (2, 8, 8), (2, 4, 8), (3, 24, 12)]
)
def test_an_old_checkpoint_says_the_length_of_an_epoch_by_its_iterations(runner_of, epoch, iteration, expected):
    runner = runner_of('run')
    runner.optim_wrapper, loop = runner.build_optim_wrapper(runner.optim_wrapper), runner.train_loop
    loop._epoch, loop._iter = epoch, iteration
    loop.fit_epoch_length()
    assert loop.iter == expected
