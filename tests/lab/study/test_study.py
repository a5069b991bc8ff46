"""The real tool on a few scenes."""

import json
import time

import pytest
import yaml
from commands import fail, succeed, tool

pytestmark = pytest.mark.slow
SHORT = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=2']
STUDY = dict(
    title='Two methods',
    config='configs/demo/pair.py',
    runs=dict(student=dict(method='student'), fmkt=dict(title='FM-KT', method='fmkt')),
    plain='student',
    tables=[dict(title='Methods', reference='student', rows=['teacher', 'student', 'fmkt', 'fmkt@bypassed'])],
)


def test_a_study_trains_measures_reports_and_goes_on(digits, demo_teacher, tmp_path):
    file, out = tmp_path / 'study.yml', tmp_path / 'out'
    teachers = dict(teacher=dict(config='configs/demo/retinanet_r34.py', checkpoint=str(demo_teacher)))
    file.write_text(yaml.safe_dump(dict(STUDY, teachers=teachers), sort_keys=False))
    arguments = [file, '--out', out, '--data', digits, '--cfg-options', *SHORT]
    succeed(tool('study.py', *arguments, '--seeds', 7, '--jobs', 2))
    rows = {row['run']: row for row in map(json.loads, (out / 'results.jsonl').read_text().splitlines())}
    assert list(rows) == ['teacher', 'student', 'fmkt'] and rows['fmkt']['seed'] == 7
    assert (
        rows['fmkt']['figures']['gflops']
        > rows['fmkt']['inference']['bypassed']['gflops']
        == rows['student']['figures']['gflops']
    )
    assert rows['student']['training']['iterations'] > 0
    assert '| FM-KT, bypassed at inference | 1' in (out / 'report.md').read_text()

    assert 'has runs already; go on with them with --resume' in fail(tool('study.py', *arguments))
    (out / 'rows' / 'fmkt_seed7.json').unlink()  # as if it had been stopped before
    before = {name: (out / f'{name}_seed7' / 'epoch_1.pth').stat().st_mtime for name in ('student', 'fmkt')}
    started = time.time()
    succeed(tool('study.py', *arguments, '--seeds', 7, '--resume'))
    assert before == {name: (out / f'{name}_seed7' / 'epoch_1.pth').stat().st_mtime for name in before}
    assert (
        (out / 'rows' / 'fmkt_seed7.json').stat().st_mtime
        > started
        > (out / 'rows' / 'student_seed7.json').stat().st_mtime
    )
