import json

import pytest
import torch

from mmfmkt.engine.hooks import FlowLogHook
from mmfmkt.models.losses import fmkt_loss


@pytest.fixture
def scalars(make_runner, tmp_path):
    """What a run of four iterations with an entry every second has written: one dict an entry."""
    make_runner(4, 'run', custom_hooks=[dict(type='mmrazor.FlowLogHook', interval=2)]).train()
    (file,) = tmp_path.glob('run/*/vis_data/scalars.json')
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    return [entry for entry in entries if any(key.startswith('flow/') for key in entry)]


def test_every_level_logs_its_steps_error_and_ambiguity_at_the_interval(scalars):
    assert [entry['step'] for entry in scalars] == [2, 4]
    assert set(scalars[0]) == {'step'} | {
        f'flow/loss_fmkt/level{level}/{name}'
        for level in range(3)
        for name in ('step1', 'step2', 'output_error', 'ambiguity', 'carried')
    }


def test_the_ambiguity_grows_from_zero_as_the_flow_leaves_the_identity(scalars):
    first, last = (entry['flow/loss_fmkt/level0/ambiguity'] for entry in scalars)
    assert 0 <= first < last and all(entry['flow/loss_fmkt/level0/output_error'] > 0 for entry in scalars)


def test_nothing_is_diagnosed_between_entries(make_runner, monkeypatch):
    calls = []
    monkeypatch.setattr(fmkt_loss, 'diagnose', lambda *args: calls.append(args) or {})
    make_runner(5, 'run', custom_hooks=[dict(type='mmrazor.FlowLogHook', interval=3)]).train()
    assert len(calls) == 3  # the levels, in the third iteration alone


def test_an_interval_of_nothing_is_refused():
    with pytest.raises(ValueError, match='`interval` of FlowLogHook must be at least 1, but got 0'):
        FlowLogHook(0)


def test_logging_changes_neither_weights_nor_random_numbers(make_runner, theta, tmp_path):
    theta.distiller.connectors.flow.flow.num_steps = [1, 2, 4]  # drawn
    make_runner(2, 'logged', custom_hooks=[dict(type='mmrazor.FlowLogHook', interval=1)]).train()
    make_runner(2, 'silent', custom_hooks=[]).train()
    logged, silent = (torch.load(tmp_path / name / 'epoch_2.pth')['state_dict'] for name in ('logged', 'silent'))
    assert logged.keys() == silent.keys() and all(torch.equal(logged[key], silent[key]) for key in logged)
