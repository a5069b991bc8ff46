"""Rows of other machines, of other seeds, of other data."""

import json
from dataclasses import replace

import pytest

from mmfmkt.lab.study.data import CocoFolder
from mmfmkt.lab.study.results import add_results, read_rows, take_rows, write_results
from mmfmkt.lab.study.run import Run

COSTS = {'fmkt': dict(time=2.0, memory=1.2)}


@pytest.fixture
def run(tmp_path):
    return Run('fmkt', 'FM-KT', 'configs/demo/pair.py', {'model.method': 'fmkt'}, tmp_path / 'here')


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'results.jsonl'


def measure(run, ap=35.0):
    run.row_file.parent.mkdir(parents=True, exist_ok=True)
    run.row_file.write_text(json.dumps(dict(figures=dict(AP=ap))))
    return run


def aps(file):
    return {(row['run'], row['seed']): row['figures']['AP'] for row in read_rows(file)}


def test_what_was_measured_elsewhere_is_not_trained_again(run, file, tmp_path):
    write_results([measure(run)], COSTS, file)
    here, missing = (replace(run, out=tmp_path / 'elsewhere', seed=seed) for seed in (0, 1))
    take_rows([here, missing], file)
    assert here.finished and not missing.finished
    with pytest.raises(FileNotFoundError, match='--rows must be a file of rows'):
        take_rows([here], tmp_path / 'nowhere.jsonl')


def test_costs_of_a_row_are_kept_and_those_that_it_lacks_are_filled_in(run, file, tmp_path):
    write_results([measure(run)], {}, file)  # interrupted before they were measured
    here = replace(run, out=tmp_path / 'elsewhere')
    take_rows([here], file)
    for costs in (COSTS, {}):
        write_results([here], costs, file)
        take_rows([here := replace(here, out=here.out / 'further')], file)
        assert read_rows(file)[0]['cost'] == COSTS['fmkt']


@pytest.mark.parametrize(
    'changes, difference',
    [
        (dict(options={'model.method': 'pkd'}), "has options .*'pkd'.*, not .*'fmkt'"),
        (dict(processes=4), 'has processes 4, not 1'),
        (dict(teacher=Run('large', '', '', {}, weights='large.pth')), 'given True, not False'),
        (dict(further=(Run('other', '', '', {}),)), r"has more_teachers \['other'\], not \[\]"),
    ],
)
def test_rows_of_other_runs_are_refused(run, file, tmp_path, changes, difference):
    write_results([measure(run)], {}, file)
    with pytest.raises(ValueError, match=f'{difference}.*take this row out of the file'):
        take_rows([replace(run, out=tmp_path / 'elsewhere', **changes)], file)


def test_rows_of_students_of_a_teacher_of_another_seed_are_refused_if_they_say_so(run, file, tmp_path):
    teacher = Run('large', '', 'configs/demo/retinanet_r34.py', {}, seed=1)
    taught = measure(replace(run, teacher=teacher))
    other = replace(taught, teacher=replace(teacher, seed=2), out=tmp_path / 'elsewhere')
    write_results([taught], {}, file)
    with pytest.raises(ValueError, match=r'has teacher_seeds \[2\], not \[1\].*take this row out of the file'):
        take_rows([other], file)
    (row,) = read_rows(file)
    del row['teacher_seeds']  # as rows of before have it
    file.write_text(json.dumps(row))
    take_rows([other], file)
    assert other.row_file.exists()


def test_rows_of_other_data_are_refused(run, file, tmp_path, digits):
    write_results([measure(replace(run, data=CocoFolder(digits)))], {}, file)
    (tmp_path / 'own/annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        (tmp_path / f'own/annotations/{split}.json').write_text('{"categories": [], "images": [{}]}')
    with pytest.raises(ValueError, match=r"has data {'train': \[1, 0\], 'val': \[1, 0\]}, not "):
        take_rows([replace(run, out=tmp_path / 'elsewhere', data=CocoFolder(tmp_path / 'own'))], file)


def test_rows_of_other_seeds_and_runs_stay_and_those_of_other_options_go(run, file):
    write_results([measure(run), measure(replace(run, name='pkd'), 34.0)], {}, file)
    write_results([measure(replace(run, seed=1), 36.0)], {}, file)
    assert aps(file) == {('fmkt', 0): 35.0, ('pkd', 0): 34.0, ('fmkt', 1): 36.0}
    changed = replace(run, name='pkd', seed=1, options={}, out=run.out / 'changed')
    write_results([run, changed], {}, file)
    assert aps(file) == {('fmkt', 0): 35.0, ('fmkt', 1): 36.0}


def test_a_report_adds_rows_that_are_lacking_and_changes_none(run, file):
    write_results([measure(run)], {}, file)
    add_results([replace(run, options={}), measure(replace(run, seed=1), 36.0)], {}, file)
    assert [row['options'] for row in read_rows(file)] == [run.options] * 2 and aps(file)['fmkt', 1] == 36.0
    before = file.stat().st_mtime_ns
    add_results([replace(run, data=CocoFolder(file.parent / 'nowhere'), seed=seed) for seed in (1, 2)], {}, file)
    assert file.stat().st_mtime_ns == before
