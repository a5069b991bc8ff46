"""What tools/distill.py says of wrong input, before it trains."""

import pytest
import torch
from commands import ROOT, refused
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

pytestmark = pytest.mark.slow
TEACHER = ROOT / 'configs/demo/retinanet_r34.py'
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
def wrong_files(folder, named_teacher):
    (folder / 'distilled.py').write_text(
        "model = dict(type='mmrazor.FMKTDistill', architecture=dict(type='RetinaNet'))"
    )
    teacher = torch.load(named_teacher)
    torch.save(dict(teacher, meta=dict(dataset_meta=dict(classes=tuple('abcdefghij')))), folder / 'letters.pth')
    torch.save(dict(state_dict=dict(weight=torch.ones(1))), folder / 'other.pth')
    (folder / 'corrupt.pth').write_bytes(named_teacher.read_bytes()[:3000])
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
def test_wrong_input_is_one_clear_error_before_training(case, wrong_files, student, named_teacher, folder, monkeypatch):
    arguments, message = WRONG[case]
    names = dict(STUDENT=student, TEACHER_CKPT=named_teacher)
    arguments = [
        names.get(argument, folder / argument if (folder / str(argument)).is_file() else argument)
        for argument in arguments
    ]
    assert message in refused(monkeypatch, 'distill.py', *arguments, '--work-dir', folder / 'wrong')
