"""From two configs to a student that stock MMDetection runs: the real tools on a few scenes."""

import json
import shutil
import socket
import sys
from pathlib import Path

import mmdet
import pytest
import torch
from commands import ROOT, fail, refused, run, succeed, tool
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

pytestmark = pytest.mark.slow
STOCK = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'test.py'
TEACHER = ROOT / 'configs/demo/retinanet_r34.py'
CLASSES = ('zero', 'six', 'nine')  # of one's own data set


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('distill')


@pytest.fixture(scope='module')
def student(digits, folder):
    """The user's config: the demo's student on a few scenes."""
    file = folder / 'my_student.py'
    file.write_text(
        '\n'.join(
            [
                f"_base_ = '{ROOT}/configs/demo/retinanet_r18.py'",
                'train_cfg = dict(max_epochs=2, val_interval=1)',
                f"train_dataloader = dict(dataset=dict(data_root='{digits}/'))",
                f"val_dataloader = dict(dataset=dict(data_root='{digits}/'))",
                'test_dataloader = val_dataloader',
                f"val_evaluator = dict(ann_file='{digits}/annotations/val.json')",
                'test_evaluator = val_evaluator',
                'model = dict(test_cfg=dict(score_thr=0.0))',  # an empty result has no mAP
            ]
        )
    )
    return file


@pytest.fixture(scope='module')
def teacher_ckpt(folder):
    torch.manual_seed(1)
    detector = DETECTORS.build(Config.fromfile(TEACHER).model)
    path = folder / 'teacher.pth'
    torch.save(dict(state_dict=detector.state_dict(), meta=dict(dataset_meta=dict(classes=tuple('0123456789')))), path)
    return path


@pytest.fixture(scope='module')
def averaged(student):
    """The same with averaged weights."""
    file = student.with_name('averaged.py')
    file.write_text(f"_base_ = '{student.name}'\ncustom_hooks = [dict(type='EMAHook', momentum=0.5)]")
    return file


@pytest.fixture(scope='module')
def theta(averaged, teacher_ckpt, folder):
    """A finished run of `tools/distill.py` with EMA and the best checkpoint saved, its folder and what it printed."""
    work_dir = folder / 'theta'
    printed = succeed(
        tool(
            'distill.py',
            averaged,
            TEACHER,
            teacher_ckpt,
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


@pytest.fixture(scope='module')
def short(student, teacher_ckpt, folder):
    """A config of eight lines on top of the user's, and the folder of its finished run."""
    file = folder / 'short.py'
    file.write_text(
        '\n'.join(
            [
                f"_base_ = '{student.name}'",
                "custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)",
                'model = dict(',
                '    _delete_=True,',
                "    type='mmrazor.FMKTPair', method='fmkt',",
                '    architecture=_base_.model,',
                f"    teacher='{TEACHER}',",
                f"    teacher_ckpt='{teacher_ckpt}')",
            ]
        )
    )
    succeed(tool('train.py', file, '--work-dir', folder / 'short', '--cfg-options', 'train_cfg.max_epochs=1'))
    return file, folder / 'short'


def test_one_command_prints_levels_config_copied_parts_and_the_teachers_map(theta):
    _, printed = theta
    assert "type='mmrazor.FMKTDistill'" in printed and 'student: level, channels' in printed
    assert "entries of the teacher's neck" in printed and "inherited 76 of 76 entries of the teacher's head" in printed
    assert 'teacher: coco/bbox_mAP ' in printed
    assert printed.index('teacher: coco/bbox_mAP ') < printed.index('Epoch(train)')


def test_the_saved_config_is_written_out_and_a_dry_run_trains_nothing(theta, student, teacher_ckpt, folder):
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


def test_an_export_overwrites_nothing_of_the_run(short, folder):
    file, work_dir = short
    before = file.read_bytes(), (work_dir / 'epoch_1.pth').read_bytes()
    for out in (file.with_suffix('.pth'), work_dir / 'epoch_1.pth'):
        assert 'it would overwrite' in fail(tool('export_student.py', file, work_dir / 'epoch_1.pth', out))
    assert before == (file.read_bytes(), (work_dir / 'epoch_1.pth').read_bytes())


def test_weights_that_were_not_averaged_are_refused(short, folder):
    file, work_dir = short
    message = fail(tool('export_student.py', file, work_dir / 'epoch_1.pth', folder / 'no.pth', '--ema'))
    assert 'must be of a run with an EMA hook' in message and not (folder / 'no.pth').exists()


def test_a_config_of_eight_lines_trains_and_is_tested_and_exported_without_its_teacher(short, folder, digits):
    file, work_dir = short
    without_teacher = file.with_name('without_teacher.py')
    without_teacher.write_text(
        file.read_text().replace(str(TEACHER), 'nowhere.py').replace('teacher.pth', 'nowhere.pth')
    )
    printed = succeed(tool('test.py', without_teacher, work_dir / 'epoch_1.pth', '--work-dir', folder / 'test'))
    assert 'coco/bbox_mAP' in printed
    succeed(tool('export_student.py', without_teacher, work_dir / 'epoch_1.pth', folder / 'short_student.pth'))
    config = (folder / 'short_student.py').read_text()
    assert 'FlowNeck' in config and 'mmrazor.FMKT' not in config and 'teacher' not in config
    image = str(next((digits / 'val').glob('*.jpg')))
    code = (
        'from mmdet.apis import inference_detector, init_detector; model = '
        f"init_detector({str(folder / 'short_student.py')!r}, {str(folder / 'short_student.pth')!r}, device='cpu'); "
        f"print('boxes', len(inference_detector(model, {image!r}).pred_instances))"
    )
    assert 'boxes 50' in succeed(run(sys.executable, '-W', 'ignore', '-c', code))


def test_several_processes_distil_from_two_configs(student, teacher_ckpt, folder):
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
            teacher_ckpt,
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


def test_a_trained_student_is_a_start(student, teacher_ckpt, theta, folder):
    """The weights in `load_from` are those of the first validation if nothing is learnt."""
    start = theta[0] / 'epoch_2.pth'
    succeed(
        tool(
            'distill.py',
            student,
            TEACHER,
            teacher_ckpt,
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


def own_classes(digits, root):
    """A data set of one's own: other names, and ids with gaps."""
    shutil.copytree(digits, root)
    for file in (root / 'annotations').glob('*.json'):
        data = json.loads(file.read_text())
        data['categories'] = [dict(id=70 + 7 * label, name=name) for label, name in zip((0, 6, 9), CLASSES)]
        known = {0: 70, 6: 112, 9: 133}
        data['annotations'] = [
            dict(annotation, category_id=known[annotation['category_id']])
            for annotation in data['annotations']
            if annotation['category_id'] in known
        ]
        file.write_text(json.dumps(data))


def test_a_teacher_and_its_student_are_trained_on_classes_of_ones_own(digits, folder):
    """The configs of configs/own_data, edited as its page says, with small detectors."""
    shutil.copytree(ROOT / 'configs/own_data', folder / 'own')
    own_classes(digits, folder / 'data')
    edited = (
        (folder / 'own/student.py')
        .read_text()
        .replace("'data/own/'", f"'{folder}/data/'")
        .replace("('cat', 'dog')", str(CLASSES))
    )
    (folder / 'own/student.py').write_text(f"""{edited}
train_cfg = dict(max_epochs=1)
model.update(
    backbone=dict(depth=18, base_channels=8, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16))
model['bbox_head'].update(in_channels=16, feat_channels=16, stacked_convs=1)
model['test_cfg'] = dict(score_thr=0.0)
""")
    teacher = (folder / 'own/teacher.py').read_text().split('model = ')[0]
    (folder / 'own/teacher.py').write_text(
        teacher + 'model = dict(backbone=dict(base_channels=12), neck=dict(in_channels=[12, 24, 48, 96]))'
    )
    distilled = folder / 'own/fmkt-theta.py'
    distilled.write_text(
        distilled.read_text().replace('work_dirs/teacher/epoch_12.pth', str(folder / 'own_teacher/epoch_1.pth'))
    )
    succeed(tool('train.py', folder / 'own/teacher.py', '--work-dir', folder / 'own_teacher'))
    succeed(tool('train.py', distilled, '--work-dir', folder / 'own_student'))
    printed = succeed(
        tool(
            'test.py', folder / 'own/student.py', folder / 'own_student/epoch_1.pth', '--work-dir', folder / 'own_test'
        )
    )
    assert 'coco/bbox_mAP' in printed
    assert torch.load(folder / 'own_student/epoch_1.pth')['meta']['dataset_meta']['classes'] == CLASSES
    # the same classes in another order: labels would mean something else
    other = (folder / 'own/student.py').read_text().replace(str(CLASSES), str(CLASSES[::-1]))
    (folder / 'own/other.py').write_text(other)
    message = fail(
        tool(
            'distill.py',
            folder / 'own/other.py',
            folder / 'own/teacher.py',
            folder / 'own_teacher/epoch_1.pth',
            '--work-dir',
            folder / 'own_other',
        )
    )
    assert 'classes of the data set, in their order' in message


WRONG = {
    'corrupt checkpoint': (['STUDENT', TEACHER, 'corrupt.pth'], 'corrupt.pth could not be read'),
    'checkpoint of another detector': (['STUDENT', TEACHER, 'other.pth'], 'keys missing from the checkpoint'),
    'checkpoint of other classes': (['STUDENT', TEACHER, 'letters.pth'], 'the first that differ are a and 0'),
    'teacher of another number of classes': (
        ['STUDENT', 'few.py', 'few.pth'],
        'the student has [10] and the teacher [4]',
    ),
    'address that cannot be reached': (
        ['STUDENT', TEACHER, 'https://nowhere.invalid/teacher.pth'],
        'could not be fetched',
    ),
    'no common stride': (['fine.py', 'coarse.py', 'TEACHER_CKPT'], 'same stride, but there is none:\n  student: level'),
    'teacher that is no detector': (['STUDENT', 'schedule.py', 'TEACHER_CKPT'], 'has no model with a `type`'),
    'student that is no detector': (['schedule.py', TEACHER, 'TEACHER_CKPT'], 'with a `model`, but it has train_cfg'),
    'teacher that is a backbone': (['STUDENT', 'backbone.py', 'TEACHER_CKPT'], 'must be detectors'),
    'config that is no Python': (['STUDENT', 'syntax.py', 'TEACHER_CKPT'], 'syntax.py could not be read as a config'),
    'config that is not there': (['STUDENT', 'mmdet::no/such.py', 'TEACHER_CKPT'], 'mmdet::no/such.py is not there'),
    'distillation as a student': (['distilled.py', TEACHER, 'TEACHER_CKPT'], 'but got a distillation'),
    'saved as something else': (
        ['STUDENT', TEACHER, 'TEACHER_CKPT', '--save', 'x'],
        '--save must be given the name of a .py',
    ),
    'no teacher': (['STUDENT'], 'must be given the config of a teacher'),
    'wrong recorder source': (
        ['STUDENT', TEACHER, 'TEACHER_CKPT', '--cfg-options', 'model.distiller.student_recorders.pyramid.source=nekc'],
        "must be a module of the student RetinaNet, but got 'nekc'; the closest are neck",
    ),
}


@pytest.fixture(scope='module')
def wrong_files(folder, teacher_ckpt):
    (folder / 'distilled.py').write_text(
        "model = dict(type='mmrazor.FMKTDistill', architecture=dict(type='RetinaNet'))"
    )
    teacher = torch.load(teacher_ckpt)
    torch.save(dict(teacher, meta=dict(dataset_meta=dict(classes=tuple('abcdefghij')))), folder / 'letters.pth')
    torch.save(dict(state_dict=dict(weight=torch.ones(1))), folder / 'other.pth')
    (folder / 'corrupt.pth').write_bytes(teacher_ckpt.read_bytes()[:3000])
    (folder / 'few.py').write_text(f"_base_ = '{TEACHER}'\nmodel = dict(bbox_head=dict(num_classes=4))")
    torch.save(DETECTORS.build(Config.fromfile(folder / 'few.py').model).state_dict(), folder / 'few.pth')
    for name, level, stride in (('fine', 1, 8), ('coarse', 3, 32)):
        (folder / f'{name}.py').write_text(
            f"_base_ = 'my_student.py'\nmodel = dict(neck=dict(start_level={level}, end_level={level}, num_outs=1), "
            f'bbox_head=dict(num_ins=1, anchor_generator=dict(strides=[{stride}])))'
        )
    (folder / 'schedule.py').write_text('train_cfg = dict(max_epochs=12)')
    (folder / 'backbone.py').write_text("model = dict(type='ResNet', depth=18)")
    (folder / 'syntax.py').write_text('model = = 1')


@pytest.mark.parametrize('case', WRONG)
def test_wrong_input_is_one_clear_error_before_training(case, wrong_files, student, teacher_ckpt, folder, monkeypatch):
    arguments, message = WRONG[case]
    names = dict(STUDENT=student, TEACHER_CKPT=teacher_ckpt)
    arguments = [
        names.get(argument, folder / argument if (folder / str(argument)).is_file() else argument)
        for argument in arguments
    ]
    assert message in refused(monkeypatch, 'distill.py', *arguments, '--work-dir', folder / 'wrong')
