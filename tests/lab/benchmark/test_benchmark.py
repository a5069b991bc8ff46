"""The tool itself. Nothing here looks at how long anything took."""

import json
import re

import pytest
from commands import refused, succeed, tool


@pytest.mark.parametrize(
    'arguments, message',
    [
        (
            ['nothing.py'],
            'what is timed must be a config or one of the pairs .*retinanet_r101_r50, .* but got nothing.py',
        ),
        (['retinanet_r101_r50', '--device', 'tpu'], '--device must be one of this machine, cpu.*, but got tpu'),
        (['retinanet_r101_r50', '--methods', 'student', 'foo'], "a method must be METHOD, .* but got 'foo'"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(monkeypatch, tmp_path, arguments, message):
    assert re.search(message, refused(monkeypatch, 'benchmark.py', '--out', tmp_path, *arguments))


@pytest.mark.slow
def test_the_benchmark_measures_a_pair(root, tmp_path):
    output = succeed(
        tool(
            'benchmark.py',
            'configs/demo/pair.py',
            '--device',
            'cpu',
            '--shape',
            '64,64',
            '--rounds',
            '1',
            '--at-once',
            '3',
            '--methods',
            'student',
            'mmrazor-single',
            'pkd',
            'fmkt-theta:light:1',
            'fmkt-theta:light:2',
            '--deployed',
            'student',
            'fmkt:conv:2',
            '--out',
            tmp_path,
        )
    )
    folder = tmp_path / 'pair'
    results = json.loads((folder / 'benchmark.json').read_text())['results']
    assert not [each['error'] for each in results if each['error']] and len(results) == 7
    assert 'fmkt-theta:light: ' in output and (folder / 'benchmark.md').read_text() in output
    assert {file.name for file in folder.glob('*.png')} == {'training.png', 'inference.png'}
    flops = {each['name']: each['flops'] for each in results if each['trains']}
    assert 0 == flops['student'].get('teacher', 0) < flops['pkd']['teacher'] < flops['mmrazor-single']['teacher']
    assert flops['fmkt-theta:light:2']['flow'] == 2 * flops['fmkt-theta:light:1']['flow'] > 0
    assert all(each['memory'] > 0 for each in results)
