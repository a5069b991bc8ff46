import re

import pytest
from mmengine.config import Config

from mmfmkt.demo.quickstart import FMKT, FULL, SMOKE, STUDENT, Step, own_data, plan_runs, plan_steps, work_through
from mmfmkt.demo.runs import CocoFolder
from mmfmkt.demo.table import markdown_table

FIGURES = dict(AP=40.0, AP50=60.0, AP75=45.0, APs=30.0, APm=50.0, params=1.0, gflops=0.5)


def test_table_has_the_mean_and_the_sample_deviation_over_seeds():
    table = markdown_table('detector', {'one': [FIGURES], 'three': [dict(FIGURES, AP=ap) for ap in (38.0, 40.0, 42.0)]})
    header, rule, one, three = [[cell.strip() for cell in line.split('|')[1:-1]] for line in table.splitlines()]
    assert header == ['detector', 'AP', 'AP50', 'AP75', 'APs', 'APm', 'Params (M)', 'GFLOPs']
    assert one == ['one', '40.0', '60.0', '45.0', '30.0', '50.0', '1.00', '0.500']
    assert three[1] == '40.0 ± 2.0' and three[2] == '60.0'


@pytest.fixture
def planned(digits, tmp_path):
    return plan_runs(SMOKE, CocoFolder(digits), [3, 5], tmp_path)


def test_a_run_is_finished_when_the_pointer_names_its_last_checkpoint(planned):
    run = planned[FMKT][0]
    run.work_dir.mkdir()
    run.checkpoint.write_bytes(b'half of a checkpoint')
    assert not run.finished
    (run.work_dir / 'last_checkpoint').write_text(str(run.checkpoint))
    assert run.finished


def test_every_student_is_planned_once_a_seed_after_the_one_teacher(planned):
    steps = [step.title for step in plan_steps(planned) if 'training' in step.title]
    assert len(steps) == 1 + 4 * 2 and 'teacher' in steps[0]
    assert all(sum(f'seed {seed}' in title for title in steps[1:]) == 4 for seed in (3, 5))


def test_a_run_takes_data_classes_and_teacher_from_where_they_are(planned, digits):
    student, fmkt = (Config.fromfile(planned[title][0].write_config()) for title in (STUDENT, FMKT))
    assert student.model.bbox_head.num_classes == fmkt.model.architecture.bbox_head.num_classes == 10
    assert student.train_dataloader.dataset.metainfo.classes == tuple('0123456789')
    assert fmkt.val_evaluator.ann_file == str(digits / 'annotations' / 'val.json')
    teacher = planned[FMKT][0].teacher
    assert fmkt.model.teacher_ckpt == str(teacher.work_dir / 'epoch_1.pth')
    assert fmkt.model.teacher == str(teacher.work_dir / 'retinanet_r34_seed0.py')
    assert fmkt.param_scheduler[1].T_max == 1 and fmkt.randomness.seed == 3


def test_own_data_that_lacks_something_is_refused_with_its_name(digits, tmp_path):
    assert own_data(str(digits)).classes() == tuple('0123456789')
    with pytest.raises(FileNotFoundError, match='not there: .*train, .*val, .*train.json, .*val.json'):
        own_data(str(tmp_path))


@pytest.mark.parametrize('text, message', [
    ('{"images": []}', 'must be COCO JSON with "categories"'),
    ('{"categories": [', 'must be COCO JSON with "categories"'),
    ('{"categories": [{"id": 1, "name": "b"}, {"id": 0, "name": "a"}]}', 'must be the same, in the same order'),
])
def test_annotations_that_do_not_fit_are_refused(tmp_path, text, message):
    for folder in ('train', 'val', 'annotations'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'annotations' / 'train.json').write_text('{"categories": [{"id": 0, "name": "a"}]}')
    (tmp_path / 'annotations' / 'val.json').write_text(text)
    with pytest.raises(ValueError, match=message):
        own_data(str(tmp_path))


def test_a_folder_with_runs_of_another_length_is_refused(planned, digits, tmp_path):
    planned[STUDENT][0].write_config()
    plan_steps(planned)
    with pytest.raises(ValueError, match='has a run of other data or another length'):
        plan_steps(plan_runs(FULL, CocoFolder(digits), [3], tmp_path))


def test_finished_steps_are_not_done_again():
    done = []
    steps = [Step(str(k), 1.0, finished=k < 2, work=lambda k=k: done.append(k) or [0.5, 1.0]) for k in range(4)]
    work_through(steps)
    assert done == [2, 3]


def test_a_failing_run_is_reported_with_the_end_of_its_output(planned, monkeypatch):
    run = planned[FMKT][0]
    monkeypatch.setattr(type(run), 'command', lambda self: ['bash', '-c', 'echo the reason; exit 3'])
    with pytest.raises(RuntimeError, match=f'(?s)training of the {re.escape(FMKT)} failed.*the reason'):
        list(run.train())


def test_progress_is_read_from_mmengines_log(planned, monkeypatch):
    run = planned[FMKT][0]
    line = '11/22 - mmengine - INFO - Epoch(train) [1][ 5/10]  lr: 1e-3'
    monkeypatch.setattr(type(run), 'command', lambda self: ['echo', line])
    assert list(run.train()) == [0.5]
