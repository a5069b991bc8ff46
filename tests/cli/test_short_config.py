"""A config of ten lines on top of the user's: trained, tested and exported by the real tools."""

import sys

import pytest
from commands import ROOT, refused, run, succeed, tool

pytestmark = pytest.mark.slow
TEACHER = ROOT / 'configs/demo/retinanet_r34.py'


@pytest.fixture(scope='module')
def short(student, named_teacher, folder):
    """A config of ten lines on top of the user's, and the folder of its finished run."""
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
                f"    teacher_ckpt='{named_teacher}')",
            ]
        )
    )
    succeed(tool('train.py', file, '--work-dir', folder / 'short', '--cfg-options', 'train_cfg.max_epochs=1'))
    return file, folder / 'short'


def test_an_export_overwrites_nothing_of_the_run(short, monkeypatch):
    file, work_dir = short
    before = file.read_bytes(), (work_dir / 'epoch_1.pth').read_bytes()
    for out in (file.with_suffix('.pth'), work_dir / 'epoch_1.pth'):
        assert 'it would overwrite' in refused(monkeypatch, 'export_student.py', file, work_dir / 'epoch_1.pth', out)
    assert before == (file.read_bytes(), (work_dir / 'epoch_1.pth').read_bytes())


def test_weights_that_were_not_averaged_are_refused(short, folder, monkeypatch):
    file, work_dir = short
    message = refused(monkeypatch, 'export_student.py', file, work_dir / 'epoch_1.pth', folder / 'no.pth', '--ema')
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
