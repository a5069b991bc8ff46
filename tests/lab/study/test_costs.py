"""What an iteration costs is measured on the right device, and is never in the way of figures."""

import json
import os
import signal

import pytest
from torch import nn

from mmfmkt.lab.benchmark.cases import Case
from mmfmkt.lab.benchmark.rounds import KILLED, Client
from mmfmkt.lab.benchmark.worker import Setting
from mmfmkt.lab.study import costs
from mmfmkt.lab.study.costs import measure_costs, setting_of
from mmfmkt.lab.study.data import CocoFolder
from mmfmkt.lab.study.plan import Study
from mmfmkt.lab.study.run import Run


@pytest.fixture
def run(tmp_path, digits):
    return Run('student', 'plain', 'configs/demo/pair.py', {'model.method': 'student'}, tmp_path, 0, CocoFolder(digits))


@pytest.mark.parametrize('has_gpu, device', [(True, 'cuda:0'), (False, 'cpu')])
def test_costs_are_those_of_the_first_gpu_where_there_is_one(run, tmp_path, monkeypatch, has_gpu, device):
    monkeypatch.setattr('torch.cuda.is_available', lambda: has_gpu)
    assert setting_of(run, tmp_path).device == device


def test_costs_that_cannot_be_measured_are_told_and_left_out(run, tmp_path, monkeypatch, capsys):

    def fail(*about):
        raise RuntimeError('student does not run: no memory')

    run.prepare()
    run.row_file.parent.mkdir()
    run.row_file.write_text(json.dumps({}))
    monkeypatch.setattr(costs, 'run_cases', fail)
    assert measure_costs(Study('', {}, {'student': {0: run}}, 'student', ()), tmp_path / 'costs.json') == {}
    assert 'could not be measured: student does not run: no memory' in capsys.readouterr().out


class Wait(Case):
    def build(self):
        model = nn.Conv2d(3, 8, 3)
        model.bbox_head = nn.Module()
        model.bbox_head.num_classes = 3
        model.init_weights = lambda: None
        return model


def test_a_model_whose_process_was_killed_while_others_had_their_turn_has_an_error(tmp_path):
    client = Client(Wait('wait', {}, trains=False), Setting('cpu', 1, (32, 32), {}, str(tmp_path)))
    client.receive()
    os.kill(client.process.pid, signal.SIGKILL)
    client.process.join()
    assert client.ask('run') is None and client.result.error == KILLED
    client.close()
