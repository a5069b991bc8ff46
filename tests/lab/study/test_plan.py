import re
import shutil

import pytest
import yaml

from mmfmkt.lab.study.data import CocoFolder
from mmfmkt.lab.study.study_file import read_study

STUDY = dict(
    config='configs/demo/pair.py',
    seeds=[3, 5],
    options={'default_hooks.logger.interval': 10},
    teachers=dict(large=dict(title='the teacher', config='configs/demo/retinanet_r34.py')),
    runs=dict(
        student=dict(method='student'),
        fmkt=dict(title='FM-KT', method='fmkt', options={'model.flow.num_steps': 2}),
        once=dict(method='pkd', seeds=[3]),
    ),
    plain='student',
    tables=[dict(title='Methods', reference='student', rows=['large', 'student', 'fmkt', 'fmkt@N=1'])],
)


@pytest.fixture
def write(tmp_path):

    def write(**changes):
        file = tmp_path / 'study.yml'
        study = {key: value for key, value in {**STUDY, **changes}.items() if value is not None}
        file.write_text(yaml.safe_dump(study, sort_keys=False))
        return str(file)

    return write


def test_teachers_come_first_then_every_run_with_the_first_seed(write, tmp_path):
    study = read_study(write(), tmp_path)
    assert [run.id for run in study.all_runs()] == [
        'large_seed0',
        'student_seed3',
        'fmkt_seed3',
        'once_seed3',
        'student_seed5',
        'fmkt_seed5',
    ]
    assert [run.id for run in read_study(write(), tmp_path, seeds=[1]).all_runs()][1:] == [
        'student_seed1',
        'fmkt_seed1',
        'once_seed1',
    ]


def test_options_of_study_run_and_command_line_add_up(write, tmp_path):
    options = {'train_cfg.max_epochs': 1, 'default_hooks.logger.interval': 7}
    run = read_study(write(), tmp_path, options=options).runs['fmkt'][3]
    assert run.options == {
        'default_hooks.logger.interval': 7,
        'model.flow.num_steps': 2,
        'model.method': 'fmkt',
        'train_cfg.max_epochs': 1,
    }
    assert run.cfg.model.flow.num_steps == 2 and run.cfg.train_cfg.max_epochs == 1 and run.cfg.randomness.seed == 3


LENGTHS = dict(short=dict(title='1 epoch', options={'train_cfg.max_epochs': 1}), full=dict(title='all epochs'))


def test_every_run_and_table_is_there_once_for_each_schedule(write, tmp_path):
    runs = dict(STUDY['runs'], once=dict(method='pkd', seeds=[3], schedules=['full']))
    tables = [dict(title='Methods', reference='student', rows=['large', 'student', 'once', 'fmkt@N=1'])]
    study = read_study(write(schedules=LENGTHS, runs=runs, tables=tables, curves=['fmkt']), tmp_path)
    assert list(study.runs) == ['student.short', 'student.full', 'fmkt.short', 'fmkt.full', 'once.full']
    assert study.runs['fmkt.short'][3].cfg.train_cfg.max_epochs == 1
    assert study.runs['fmkt.full'][3].cfg.train_cfg.max_epochs == 12
    assert [table.heading for table in study.tables] == ['Methods, 1 epoch', 'Methods, all epochs']
    assert study.tables[0].rows == ('large', 'student.short', 'fmkt.short@N=1')
    assert study.tables[1].rows == ('large', 'student.full', 'once.full', 'fmkt.full@N=1')
    assert study.tables[1].reference == 'student.full' and study.curves == ('fmkt',)


def test_rows_are_called_by_the_titles_of_their_runs(write, tmp_path):
    study = read_study(write(), tmp_path)
    assert [study.title_of(row) for row in study.tables[0].rows] == [
        'the teacher',
        'student',
        'FM-KT',
        'FM-KT, N = 1 at inference',
    ]


def test_a_run_takes_data_classes_and_teacher_from_where_they_are(write, tmp_path, digits):
    study = read_study(write(), tmp_path, data=CocoFolder(digits))
    cfg, teacher = study.runs['fmkt'][3].cfg, study.teachers['large']
    assert cfg.model.teacher == str(teacher.source) and cfg.model.teacher_ckpt == str(
        tmp_path / 'large_seed0' / 'epoch_24.pth'
    )
    assert cfg.val_evaluator.ann_file == str(digits / 'annotations' / 'val.json')
    assert study.runs['student'][3].ready and not study.runs['fmkt'][3].ready


def test_figures_are_measured_on_a_test_split_if_there_is_one(write, tmp_path, digits):
    root = tmp_path / 'data'
    shutil.copytree(digits, root)
    shutil.copytree(root / 'val', root / 'test')
    shutil.copy(root / 'annotations/val.json', root / 'annotations/test.json')
    cfg = read_study(write(), tmp_path, data=CocoFolder(root)).runs['fmkt'][3].cfg
    assert cfg.test_evaluator.ann_file == str(root / 'annotations/test.json')
    assert cfg.test_dataloader.dataset.data_prefix.img == cfg.val_dataloader.dataset.data_prefix.img == 'test/'
    cfg = read_study(write(), tmp_path, data=CocoFolder(root, 'val')).runs['fmkt'][3].cfg
    assert cfg.test_dataloader.dataset.data_prefix.img == 'val/'


@pytest.mark.parametrize('checkpoint', ['there.pth', 'https://nowhere.invalid/there.pth'])
def test_a_teacher_with_a_checkpoint_is_not_trained(write, tmp_path, checkpoint):
    teachers = dict(large=dict(config='configs/demo/retinanet_r34.py', checkpoint=checkpoint))
    study = read_study(write(teachers=teachers), tmp_path)
    assert study.teachers['large'].trained and study.runs['fmkt'][3].cfg.model.teacher_ckpt == checkpoint


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(plain=None), 'a study must have teachers, runs, tables, plain and may have'),
        (dict(epochs=4), 'but got .*epochs'),
        (dict(runs={}), '`runs` of a study must be names with settings'),
        (dict(runs={'FM-KT Θ/2': dict(method='fmkt')}), 'names in `runs` must consist of letters'),
        (dict(runs=dict(student=dict(methods='student'))), 'the run student may have title, .*but got methods'),
        (dict(config=None), 'the run student must have a `config`'),
        (dict(plain='pkd'), "`plain` must be one of student, fmkt, once, but got 'pkd'"),
        (
            dict(runs=dict(student=dict(method='student', teacher='small'))),
            "a teacher of student must be one of large, but got 'small'",
        ),
        (dict(tables=[dict(title='A', reference='student', rows=['studnet'])]), "a row of 'A' must be one of student"),
        (
            dict(tables=[dict(title='A', reference='student', rows=['fmkt@8'])]),
            'must be bypassed or N=1, N=2 ..., but got',
        ),
        (dict(curves=['dkd']), "a run of `curves` must be one of student, fmkt, once, but got 'dkd'"),
        (
            dict(schedules=LENGTHS, runs=dict(student=dict(schedules=['long']))),
            "a schedule of the run student must be one of short, full, but got 'long'",
        ),
        (
            dict(tables=[dict(title='A', reference='large', rows=['student'])]),
            "the reference of 'A' must be one of student, fmkt, once, but got 'large'",
        ),
        (
            dict(
                schedules=LENGTHS,
                runs=dict(student={}, fmkt=dict(schedules=['full'])),
                tables=[dict(title='A', reference='fmkt', rows=['student'])],
            ),
            "the reference of 'A' must have all schedules of the table, but fmkt lacks short",
        ),
        (dict(tables=[dict(title='A', rows=['student'])]), 'a table must have title, reference, rows'),
    ],
)
def test_a_file_that_is_no_study_is_refused_with_the_reason(write, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_study(write(**changes), tmp_path)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape('a study must be a YAML file, but nowhere.yml is not there')):
        read_study('nowhere.yml', tmp_path)
    (tmp_path / 'broken.yml').write_text('runs: [')
    with pytest.raises(ValueError, match='could not be read as YAML'):
        read_study(str(tmp_path / 'broken.yml'), tmp_path)


@pytest.mark.parametrize('options', [{'model.flow': 3, 'model.flow.num_steps': 2}, {'param_scheduler.9.T_max': 2}])
def test_options_that_do_not_fit_into_the_config_are_refused(write, tmp_path, options):
    with pytest.raises(ValueError, match='the options of student must fit into'):
        _ = read_study(write(options=options), tmp_path).runs['student'][3].cfg


def test_a_run_may_have_further_teachers_which_come_before_it(write, tmp_path):
    large = STUDY['teachers']['large']
    runs = dict(student=dict(method='student'), two=dict(method='pkd', seeds=[3], more_teachers=['other']))
    tables = [dict(title='Methods', reference='student', rows=['student', 'two'])]
    study = read_study(write(teachers=dict(large=large, other=dict(large, seed=4)), runs=runs, tables=tables), tmp_path)
    assert [run.id for run in study.all_runs()][:2] == ['large_seed0', 'other_seed4']
    run = study.runs['two'][3]
    assert [each.teacher for each in run.cfg.model.teacher] == [
        str(each.source) for each in (run.teacher, *run.further)
    ]
    assert run.cfg.model.teacher_ckpt is None and not run.ready
    (tmp_path / 'large_seed0').mkdir()
    (tmp_path / 'large_seed0/last_checkpoint').write_text('epoch_12.pth')
    assert not run.ready  # the other is missing
