"""From two configs to a student that stock MMDetection runs: the real tools on a few scenes."""

import socket
import sys
from pathlib import Path

import mmdet
import pytest
import torch
from commands import ROOT, run, succeed, tool
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config

pytestmark = pytest.mark.slow
STOCK = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'test.py'
TEACHER = ROOT / 'configs/demo/retinanet_r34.py'


@pytest.fixture(scope='module')
def averaged(student):
    """The same with averaged weights."""
    file = student.with_name('averaged.py')
    file.write_text(f"_base_ = '{student.name}'\ncustom_hooks = [dict(type='EMAHook', momentum=0.5)]")
    return file


@pytest.fixture(scope='module')
def theta(averaged, named_teacher, folder):
    """A finished run of `tools/distill.py` with EMA and the best checkpoint saved, its folder and what it printed."""
    work_dir = folder / 'theta'
    printed = succeed(
        tool(
            'distill.py',
            averaged,
            TEACHER,
            named_teacher,
            '--work-dir',
            work_dir,
            '--evaluate-teacher',
            '--inherit',
            'neck',
            'head',
            '--save',
            folder / 'saved.py',
            '--cfg-options',
            'default_hooks.checkpoint.save_best=coco/bbox_mAP',
            'randomness.seed=0',
            'model.flow.num_steps=2',
            'model.distiller.distill_losses.loss_fmkt.loss_weight=5.0',
        )
    )
    return work_dir, printed


def test_one_command_prints_levels_config_copied_parts_and_the_teachers_map(theta):
    _, printed = theta
    assert "type='mmrazor.FMKTDistill'" in printed and 'student: level, channels' in printed
    assert "entries of the teacher's neck" in printed and "inherited 76 of 76 entries of the teacher's head" in printed
    assert 'teacher: coco/bbox_mAP ' in printed
    assert printed.index('teacher: coco/bbox_mAP ') < printed.index('Epoch(train)')


def test_the_saved_config_is_written_out_and_a_dry_run_trains_nothing(theta, student, named_teacher, folder):
    saved = Config.fromfile(folder / 'saved.py')
    assert saved.model.distiller.connectors.flow.flow.num_steps == 2 and saved.model.type == 'mmrazor.FMKTDistill'
    assert saved.model.distiller.distill_losses.loss_fmkt.loss_weight == 5.0
    printed = succeed(
        tool(
            'distill.py',
            '--method',
            'fmkt',
            student,
            TEACHER,
            'nowhere.pth',
            '--dry-run',
            '--work-dir',
            folder / 'dry',
            '--save',
            folder / 'dry.py',
        )
    )
    assert 'train_dataloader' in printed and 'Epoch(train)' not in printed and not (folder / 'dry').exists()
    assert Config.fromfile(folder / 'dry.py').model.architecture.neck.type == 'mmdet.FlowNeck'


@pytest.mark.parametrize('checkpoint', ['epoch_1.pth', 'best_coco_bbox_mAP_epoch_*.pth'])
def test_stock_mmdet_tests_any_training_checkpoint_of_theta(theta, student, folder, checkpoint):
    file, *_ = theta[0].glob(checkpoint)
    code = (
        f"import sys, runpy; sys.modules['mmfmkt'] = sys.modules['mmrazor'] = None; "
        f"sys.argv = ['test.py', {str(student)!r}, {str(file)!r}, '--work-dir', {str(folder / 'stock')!r}]; "
        f"runpy.run_path({str(STOCK)!r}, run_name='__main__')"
    )
    printed = succeed(run(sys.executable, '-W', 'ignore', '-c', code))
    assert 'coco/bbox_mAP' in printed and 'not match' not in printed


def test_an_exported_student_is_that_of_its_checkpoint_averaged_live_and_best(theta, student, folder, digits):
    work_dir, _ = theta
    image = str(next((digits / 'val').glob('*.jpg')))
    (written,) = work_dir.glob('*.py')
    trained = torch.load(work_dir / 'epoch_2.pth')
    expected = {
        '': trained['state_dict'],
        '--ema': trained['state_dict'],
        '--live': {key.removeprefix('module.'): value for key, value in trained['ema_state_dict'].items()},
    }
    for option, weights in expected.items():
        succeed(tool('export_student.py', written, work_dir / 'epoch_2.pth', folder / 'exported.pth', *option.split()))
        exported = torch.load(folder / 'exported.pth')
        assert set(exported) == {'meta', 'state_dict'}
        assert all(torch.equal(value, weights[key]) for key, value in exported['state_dict'].items())
        assert 'EMAHook' not in (folder / 'exported.py').read_text()
        found = inference_detector(
            init_detector(str(folder / 'exported.py'), str(folder / 'exported.pth'), device='cpu'), image
        )
        assert len(found.pred_instances) > 0
    assert any(not torch.equal(expected['--live'][key], value) for key, value in expected['--ema'].items())


def test_a_detector_trained_with_ema_is_tested(theta, folder):
    work_dir, _ = theta
    (written,) = work_dir.glob('*.py')
    printed = succeed(tool('test.py', written, work_dir / 'epoch_2.pth', '--work-dir', folder / 'ema_test'))
    assert 'coco/bbox_mAP' in printed


def test_several_processes_distil_from_two_configs(student, named_teacher, folder):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    printed = succeed(
        run(
            'python',
            '-m',
            'torch.distributed.run',
            '--nproc_per_node',
            2,
            '--master_port',
            port,
            'tools/distill.py',
            student,
            TEACHER,
            named_teacher,
            '--launcher',
            'pytorch',
            '--work-dir',
            folder / 'two',
            '--evaluate-teacher',
            '--cfg-options',
            'train_cfg.max_epochs=1',
        )
    )
    assert printed.count('student: level, channels') == 1 and (folder / 'two' / 'epoch_1.pth').exists()
    assert 'teacher: coco/bbox_mAP ' in printed


def test_a_trained_student_is_a_start(student, named_teacher, theta, folder):
    """The weights in `load_from` are those of the first validation if nothing is learnt."""
    start = theta[0] / 'epoch_2.pth'
    succeed(
        tool(
            'distill.py',
            student,
            TEACHER,
            named_teacher,
            '--method',
            'fmkt',
            '--work-dir',
            folder / 'from',
            '--cfg-options',
            f'load_from={start}',
            'train_cfg.max_epochs=1',
            'optim_wrapper.optimizer.lr=0.0',
            'optim_wrapper.optimizer.weight_decay=0.0',
            'param_scheduler=[]',
        )
    )
    expected, found = (torch.load(file)['state_dict'] for file in (start, folder / 'from' / 'epoch_1.pth'))
    for key, value in expected.items():
        if not key.endswith(('running_mean', 'running_var', 'num_batches_tracked')):
            assert torch.equal(found[key], value), key
