import os
from dataclasses import replace
from pathlib import Path

import pytest

from mmfmkt.lab.study.run import Run, follow


@pytest.fixture
def run(tmp_path):
    return Run('student', 'plain student', 'configs/demo/pair.py', {'model.method': 'student'}, tmp_path, seed=3)


def finish(run):
    run.work_dir.mkdir(parents=True)
    Path(run.checkpoint).write_bytes(b'weights')
    (run.work_dir / 'last_checkpoint').write_text(run.checkpoint)


def test_a_run_is_trained_when_the_pointer_names_its_last_checkpoint(run):
    run.work_dir.mkdir()
    Path(run.checkpoint).write_bytes(b'half of a checkpoint')
    assert Path(run.checkpoint).name == 'epoch_12.pth' and not run.trained
    (run.work_dir / 'last_checkpoint').write_text(run.checkpoint)
    assert run.trained


def test_a_run_is_finished_when_its_last_checkpoint_was_measured(run):
    finish(run)
    assert not run.finished
    run.row_file.parent.mkdir()
    run.row_file.write_text('{}')
    assert run.finished
    later = run.row_file.stat().st_mtime + 10
    os.utime(run.checkpoint, (later, later))
    assert not run.finished


def test_runs_that_count_iterations_end_with_a_checkpoint_of_iterations(tmp_path):
    options = {'train_cfg': dict(_delete_=True, type='IterBasedTrainLoop', max_iters=90)}
    run = Run('student', 'plain student', 'configs/demo/retinanet_r18.py', options, tmp_path)
    assert Path(run.checkpoint).name == 'iter_90.pth' and run.length == 90


def test_a_folder_with_a_run_of_other_settings_is_refused(run):
    run.prepare()
    run.prepare()
    longer = replace(run, options={**run.options, 'train_cfg.max_epochs': 5})
    for other in (longer, replace(run, processes=2)):
        with pytest.raises(ValueError, match='has a run of other settings'):
            other.prepare()


def test_figures_of_a_config_that_was_removed_are_not_taken_for_those_of_another(run):
    run.prepare()
    run.row_file.parent.mkdir()
    run.row_file.write_text('{}')
    run.prepare()
    assert run.finished
    run.source.unlink()
    replace(run, options={**run.options, 'train_cfg.max_epochs': 5}).prepare()
    assert not run.finished


@pytest.mark.parametrize(
    'line, share', [('Epoch(train)  [2][ 5/10]  lr: 1e-3', 0.375), ('Iter(train) [ 30/120]  lr: 1e-3', 0.25)]
)
def test_progress_is_read_from_mmengines_log(tmp_path, line, share):
    assert list(
        follow(['echo', f'11/22 - mmengine - INFO - {line}'], tmp_path / 'log', dict(os.environ), 'a run', 4)
    ) == [share]


def test_a_failing_command_is_reported_with_the_end_of_its_output(tmp_path):
    with pytest.raises(RuntimeError, match='(?s)training of x failed.*the reason'):
        list(follow(['bash', '-c', 'echo the reason; exit 3'], tmp_path / 'log', dict(os.environ), 'training of x'))
    assert 'the reason' in (tmp_path / 'log').read_text()


def test_several_gpus_are_one_training_of_several_processes(run):
    alone, together = run.training_command(), replace(run, processes=4).training_command()
    assert 'torch.distributed.run' not in alone and '--launcher' not in alone and '--resume' in alone
    assert '--nproc_per_node=4' in together and together[-2:] == ['--launcher', 'pytorch']
