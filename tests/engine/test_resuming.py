"""A run that goes on anywhere."""

import os
import signal
import stat
import threading

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import get_file_backend
from mmengine.hooks import Hook

from mmfmkt.cli.preflight import check_agreement, resuming
from mmfmkt.cli.training import set_resumed
from mmfmkt.common.files import write_whole
from mmfmkt.engine.add_hooks import make_resumable
from mmfmkt.engine.checkpoint_files import INTERRUPTED, WholeFilesBackend, find_resumable, name_newest, named_newest

ON_DISK = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1, backend_args=dict(backend='whole_files'))
)
BATCHES = 4  # of an epoch


class Told(Hook):
    """Sends SIGTERM to the main thread in an iteration; another thread would pass it on at any time."""

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.iteration:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)


class Draws(Hook):
    """Writes down what the iterations draw, and which batch they are."""

    def __init__(self):
        self.drawn = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.drawn[runner.iter] = (batch_idx, torch.rand(()).item(), outputs['loss'].item())


@pytest.fixture
def runner_of(make_runner, theta):
    """A runner of eight batches in two epochs: (folder, hooks, options)."""
    theta.distiller.connectors.flow.flow.num_steps = [1, 2, 3]
    theta.distiller.distill_losses.loss_fmkt.keep_pairs = 0.5

    def make(folder, *hooks, epochs=2, **options):
        cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=epochs), custom_hooks=[]))
        make_resumable(cfg)
        loader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True))
        loader.update(options.pop('train_dataloader', {}))
        return make_runner(
            epochs,
            folder,
            train_cfg=cfg.train_cfg,
            train_dataloader=loader,
            repeat=2,
            **dict(dict(custom_hooks=list(cfg.custom_hooks) + list(hooks), default_hooks=ON_DISK), **options),
        )

    return make


def weights(file):
    return {
        **(checkpoint := torch.load(file))['state_dict'],
        **checkpoint.get('distiller', {}),
        **checkpoint['optimizer']['state'],
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        for one, other in zip(*(each.values() if isinstance(each, dict) else [each] for each in (found[key], value))):
            assert torch.equal(one, other) if isinstance(other, torch.Tensor) else one == other, key


@pytest.mark.parametrize('iteration', [0, 1, BATCHES - 1, BATCHES, 2 * BATCHES - 1])
def test_a_run_that_was_told_to_end_goes_on_with_the_next_batch(runner_of, tmp_path, iteration):
    whole, parts = Draws(), Draws()
    runner_of('whole', whole).train()
    with pytest.raises(SystemExit) as stop:
        runner_of('parts', parts, Told(iteration)).train()
    assert stop.value.code == 0 and max(parts.drawn) == iteration
    interrupted = tmp_path / 'parts' / INTERRUPTED
    assert named_newest(tmp_path / 'parts') == str(interrupted)
    runner_of('parts', parts, resume=True, load_from=str(interrupted)).train()
    assert parts.drawn == whole.drawn
    assert_equal(weights(tmp_path / 'parts' / 'epoch_2.pth'), weights(tmp_path / 'whole' / 'epoch_2.pth'))
    assert [file.name for file in (tmp_path / 'parts').glob('*.pth')] == ['epoch_2.pth']


def test_an_accumulation_of_gradients_is_ended_before_the_run(runner_of, tmp_path):
    optimizer = dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01), accumulative_counts=2))
    with pytest.raises(SystemExit):
        runner_of('run', Told(0), **optimizer).train()
    assert torch.load(tmp_path / 'run' / INTERRUPTED)['meta']['iter'] == 2


def test_sigterm_is_only_taken_in_training(runner_of):
    before = signal.getsignal(signal.SIGTERM)
    runner_of('run').train()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_validation_that_a_crash_has_prevented_is_made_up_for(runner_of, tmp_path, monkeypatch):
    runner = runner_of('run')
    runner.train()
    resumed = runner_of('run', resume=True, load_from=str(tmp_path / 'run' / 'epoch_2.pth'))
    validated = []

    class Loop:
        dataloader = runner.train_dataloader

        def run(self):
            validated.append(resumed.epoch)

    monkeypatch.setattr(type(resumed), 'val_loop', Loop())
    resumed.train()
    assert validated == [2] and resumed.iter == 2 * BATCHES
    resumed.train_loop.validate()
    assert validated == [2]


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / 'folder' / 'file'
    write_whole(file, 'old')

    def crash(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', crash)
    with pytest.raises(KeyboardInterrupt):
        write_whole(file, b'new and longer')
    assert file.read_text() == 'old'
    monkeypatch.undo()
    write_whole(file, b'new')
    assert file.read_bytes() == b'new' and list(file.parent.iterdir()) == [file]


def test_an_outdated_checkpoint_stays_until_the_next_is_there(tmp_path):
    backend = get_file_backend(backend_args=dict(backend='whole_files'))
    old, new = tmp_path / 'epoch_1.pth', tmp_path / 'epoch_2.pth'
    backend.put(b'1', old)
    backend.remove(str(old))
    get_file_backend(backend_args=dict(backend='whole_files')).put(b'2', str(new))
    assert old.read_bytes() == b'1' and new.read_bytes() == b'2'
    WholeFilesBackend.remove_outdated()
    assert not old.exists() and new.exists()


def save(file, **content):
    torch.save(dict(state_dict=dict(weight=torch.zeros(1000)), meta={}, **content), file)
    return str(file)


@pytest.fixture
def folder(tmp_path):
    """With three checkpoints, the oldest first, the last of which is named as the newest."""
    for age, name in enumerate(['epoch_1.pth', 'epoch_2.pth', 'epoch_10.pth']):
        os.utime(save(tmp_path / name), (age, age))
    save(tmp_path / 'best_coco_bbox_mAP_epoch_2.pth')
    name_newest(tmp_path / 'epoch_10.pth')
    return tmp_path


def test_the_newest_checkpoint_is_gone_on_from(folder):
    assert find_resumable(str(folder)).path == str(folder / 'epoch_10.pth')


@pytest.mark.parametrize(
    'damage',
    [
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(b''),
        lambda file: file.write_bytes(b'garbage'),
        lambda file: file.unlink(),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_for_the_newest_that_is_whole(folder, damage):
    damage(folder / 'epoch_10.pth')
    assert find_resumable(str(folder)).path == str(folder / 'epoch_2.pth') == named_newest(folder)


@pytest.mark.parametrize('pointer', ['', 'elsewhere/epoch_3.pth'])
def test_a_damaged_pointer_is_repaired(folder, pointer):
    (folder / 'last_checkpoint').write_text(pointer)
    assert find_resumable(str(folder)).path == str(folder / 'epoch_10.pth') == named_newest(folder)


def test_a_run_without_a_readable_checkpoint_is_not_started_anew(folder):
    for file in folder.glob('*.pth'):
        file.write_bytes(b'')
    with pytest.raises(
        ValueError,
        match=r'one of the checkpoints in the work dir must be readable(.*\n.*epoch_\d+.pth could not be read){3}',
    ):
        find_resumable(str(folder))


def test_a_folder_without_checkpoints_is_the_beginning(tmp_path):
    assert find_resumable(str(tmp_path)) is None and find_resumable(str(tmp_path / 'nowhere')) is None


def test_a_run_without_a_seed_goes_on_with_the_one_that_it_drew(tmp_path):
    torch.save(dict(state_dict=dict(weight=torch.zeros(1)), meta=dict(seed=7)), tmp_path / 'epoch_1.pth')
    cfg = Config(dict(work_dir=str(tmp_path), load_from='student.pth'))
    assert set_resumed(cfg, 'auto').path == cfg.load_from == str(tmp_path / 'epoch_1.pth')
    assert cfg.resume and cfg.randomness.seed == 7
    cfg = Config(dict(work_dir=str(tmp_path), randomness=dict(seed=3), resume=True))
    set_resumed(cfg, None)
    assert cfg.randomness.seed == 3


def test_the_first_start_with_resume_begins_with_the_weights_of_the_config(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path), load_from='student.pth'))
    assert set_resumed(cfg, 'auto') is None and cfg.load_from == 'student.pth' and not cfg.resume


@pytest.mark.parametrize(
    'loop, found',
    [
        (dict(by_epoch=True, max_epochs=2), 'mmrazor.ResumableEpochLoop'),
        (dict(by_epoch=False, max_iters=2), 'mmrazor.ResumableIterLoop'),
        (dict(type='EpochBasedTrainLoop', max_epochs=2), 'mmrazor.ResumableEpochLoop'),
        (dict(type='mmengine.IterBasedTrainLoop', max_iters=2), 'mmrazor.ResumableIterLoop'),
        (dict(type='OneOfMyOwn'), 'OneOfMyOwn'),
    ],
)
def test_loops_of_mmengine_are_made_resumable(loop, found):
    cfg = Config(dict(train_cfg=loop))
    make_resumable(cfg)
    assert cfg.train_cfg.type == found and 'by_epoch' not in cfg.train_cfg
    assert cfg.custom_imports == dict(imports=['mmfmkt'], allow_failed_imports=False)


@pytest.mark.parametrize('checkpoint', [dict(backend_args=dict(backend='petrel')), dict(out_dir='s3://bucket')])
def test_checkpoints_elsewhere_are_left_to_their_backend(checkpoint):
    cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=1), default_hooks=dict(checkpoint=checkpoint)))
    make_resumable(cfg)
    assert cfg.default_hooks.checkpoint == checkpoint


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


@pytest.mark.parametrize(
    'epoch, iteration, expected', [(0, 0, 0), (0, 3, 3), (1, 6, 6), (2, 8, 8), (2, 4, 8), (3, 24, 12)]
)
def test_an_old_checkpoint_says_the_length_of_an_epoch_by_its_iterations(runner_of, epoch, iteration, expected):
    loop = runner_of('run').train_loop
    loop._epoch, loop._iter = epoch, iteration
    loop.fit_epoch_length()
    assert loop.iter == expected


def test_sigterm_before_the_first_iteration_ends_a_run_as_ever(runner_of):

    handlers = []

    class Look(Hook):
        def before_train_epoch(self, runner):
            handlers.append(signal.getsignal(signal.SIGTERM))

    runner_of('run', Look()).train()
    assert handlers[0] is signal.SIG_DFL is not handlers[1]


def test_a_folder_that_was_moved_names_its_own_newest_checkpoint(folder, tmp_path):
    (folder / 'last_checkpoint').write_text('/nowhere/epoch_1.pth')
    assert find_resumable(str(folder)).path == str(folder / 'epoch_1.pth')


def test_a_file_system_that_cannot_force_folders_to_the_disk_is_no_error(tmp_path, monkeypatch):
    force = os.fsync

    def fsync(number):
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(22, 'Invalid argument')
        force(number)

    monkeypatch.setattr(os, 'fsync', fsync)
    write_whole(tmp_path / 'file', 'text')
    assert (tmp_path / 'file').read_text() == 'text'


@pytest.mark.parametrize('hooks', [{}, dict(checkpoint=dict(type='CheckpointHook', interval=3))])
def test_checkpoints_are_written_whole(hooks):
    cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=1), default_hooks=hooks))
    make_resumable(cfg)
    assert cfg.default_hooks.checkpoint.backend_args == dict(backend='whole_files')


def test_processes_that_go_on_from_different_checkpoints_are_refused(monkeypatch):
    check_agreement(None)
    monkeypatch.setattr(resuming, 'all_gather_object', lambda path: [path, 'epoch_2.pth'])
    with pytest.raises(
        ValueError, match=r"the same checkpoint, but got \['None', 'epoch_2.pth'\]; let the machines share"
    ):
        check_agreement(None)
