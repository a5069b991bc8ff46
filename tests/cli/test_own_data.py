"""Classes of one's own, from the teacher to the test of its student: the real tools on a few scenes."""

import json
import shutil

import pytest
import torch
from commands import ROOT, refused, succeed, tool

pytestmark = pytest.mark.slow
CLASSES = ('zero', 'six', 'nine')


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


def test_a_teacher_and_its_student_are_trained_on_classes_of_ones_own(digits, folder, monkeypatch):
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
    # the same classes in another order: labels would mean something else, to the files and then to the teacher
    other = (folder / 'own/student.py').read_text().replace(str(CLASSES), str(CLASSES[::-1]))
    (folder / 'own/other.py').write_text(other)
    configs = [folder / 'own/other.py', folder / 'own/teacher.py', folder / 'own_teacher/epoch_1.pth']
    command = ['distill.py', *configs, '--work-dir', folder / 'own_other']
    message = refused(monkeypatch, *command)
    assert 'in the order of the categories in the file' in message and f'set classes={CLASSES}' in message
    for file in (folder / 'data/annotations').glob('*.json'):
        data = json.loads(file.read_text())
        file.write_text(json.dumps(dict(data, categories=data['categories'][::-1])))
    message = refused(monkeypatch, *command)
    assert 'classes of the data set, in their order' in message
