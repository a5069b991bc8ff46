"""Several processes, on CPUs: the same numbers as one, the launchers, parameters in shards."""

import json
import os
import re
import signal
import socket
import stat

import pytest
import torch
from commands import ROOT, refused, run, start, succeed, tool
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

pytestmark = pytest.mark.slow
# Slurm's two programs, as far as the tools use them: every task a process with its number
SRUN = """#!/usr/bin/env bash
for option in "$@"; do [[ $option == --ntasks=* ]] && tasks=${option#*=}; done
while [[ $1 == -* ]]; do [[ $1 == -p ]] && shift; shift; done
export SLURM_NTASKS=$tasks SLURM_NODELIST=localhost
for ((task = 0; task < tasks; task++)); do SLURM_PROCID=$task SLURM_LOCALID=$task "$@" & done
wait -n && wait
"""
SHARDS = (
    "runner_type = 'FlexibleRunner'; strategy = dict(type='DistillFSDPStrategy', "
    "model_wrapper=dict(auto_wrap_policy=dict(type='wrap_called_modules')))"
)


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return str(free.getsockname()[1])


@pytest.fixture
def slurm(tmp_path):
    """A folder with a program `srun` that starts tasks on this machine."""
    srun = tmp_path / 'bin' / 'srun'
    srun.parent.mkdir()
    srun.write_text(SRUN)
    srun.chmod(srun.stat().st_mode | stat.S_IEXEC)
    return srun.parent


def test_two_processes_have_the_gradients_and_parameters_of_one(tmp_path, port):
    succeed(
        run(
            'python',
            '-W',
            'ignore',
            '-m',
            'torch.distributed.run',
            '--nproc_per_node',
            2,
            '--master_port',
            port,
            ROOT / 'tests/support/two_processes.py',
            tmp_path / 'differences.json',
            PYTHONPATH=str(ROOT / 'tests/support'),
        )
    )
    differences = json.loads((tmp_path / 'differences.json').read_text())
    warnings = differences.pop('warnings')
    assert len(warnings) == 15 and not [text for texts in warnings.values() for text in texts if 'strides' in text]
    assert max(differences.pop('auxiliary head')) < 1e-4
    assert len(differences) == 6
    for case, (of_gradients, of_parameters) in differences.items():
        # float32: gradients of norms are sums over all locations, which two processes add up in another order
        assert 0 < of_gradients < 3e-5 and of_parameters < 3e-5, case


@pytest.mark.parametrize('name', ['fmkt-theta', 'ofmkt-theta', 'fmkt-feature-logit'])
def test_two_processes_train_and_test(make_config, tmp_path, port, name):
    config = make_config(name)
    succeed(
        run(
            'bash',
            'tools/dist_train.sh',
            config,
            2,
            '--work-dir',
            tmp_path,
            '--cfg-options',
            'model.weight_schedule.stop_epoch=1',
            PORT=port,
        )
    )
    printed = succeed(
        run('bash', 'tools/dist_test.sh', config, tmp_path / 'epoch_2.pth', 2, '--work-dir', tmp_path, PORT=port)
    )
    assert 'coco/bbox_mAP' in printed or 'empty' in printed


def test_processes_that_are_told_to_end_agree_on_the_iteration_and_go_on(make_config, tmp_path, port):
    command = [
        'bash',
        'tools/dist_train.sh',
        make_config('fmkt-theta'),
        2,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_dataloader.batch_size=1',
        'default_hooks.logger.interval=1',
    ]  # twelve iterations an epoch
    with start(*command, PORT=port) as group:
        for line in group.stdout:
            if 'Epoch(train)' in line:
                os.killpg(group.pid, signal.SIGTERM)  # also to the workers of the data loaders
                break
        iteration = int(re.search(r'stopped by SIGTERM after iteration (\d+)', group.stdout.read())[1])
    assert torch.load(tmp_path / 'interrupted.pth')['meta']['iter'] == iteration < 12
    printed = re.sub(' +', ' ', succeed(run(*command[:6], '--resume', *command[6:], PORT=port)))
    iterations = re.findall(r'Epoch\(train\) \[(\d)\]\[ ?(\d+)/12\]', printed)
    assert (
        iterations[0] == ('1', str(iteration + 1))
        and iterations[-1] == ('2', '12')
        and len(iterations) == 24 - iteration
    )


def test_slurm_trains_and_tests(make_config, tmp_path, port, slurm, monkeypatch):
    monkeypatch.setenv('PATH', f'{slurm}{os.pathsep}{os.environ["PATH"]}')
    environment = dict(GPUS='0', MASTER_PORT=port, MASTER_ADDR='127.0.0.1')
    config = make_config('fmkt-theta')
    printed = succeed(run('bash', 'tools/slurm_train.sh', 'long', 'job', config, tmp_path, **environment))
    assert 'for 2 process(es)' in printed
    succeed(
        run(
            'bash',
            'tools/slurm_test.sh',
            'long',
            'job',
            config,
            tmp_path / 'epoch_2.pth',
            '--work-dir',
            tmp_path,
            **environment,
        )
    )


@pytest.mark.parametrize('name', ['fmkt', 'fmkt-theta'])
def test_shards_train_resume_and_leave_a_stock_checkpoint(make_config, tmp_path, port, name):
    config = make_config(name, SHARDS)
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    succeed(run('bash', 'tools/dist_train.sh', config, 2, '--work-dir', whole, PORT=port))
    succeed(
        run('bash', 'tools/dist_train.sh', config, 2, '--work-dir', parts, '--resume', whole / 'epoch_1.pth', PORT=port)
    )
    checkpoints = [torch.load(folder / 'epoch_2.pth') for folder in (whole, parts)]
    for part in ('state_dict', 'distiller'):
        for key, value in checkpoints[0][part].items():
            assert torch.equal(value, checkpoints[1][part][key]), key
    DETECTORS.build(Config.fromfile(config).model.architecture).load_state_dict(
        checkpoints[0]['state_dict'], strict=True
    )
    succeed(tool('test.py', config, whole / 'epoch_2.pth', '--work-dir', tmp_path))


def test_shards_are_not_averaged(make_config, tmp_path, monkeypatch):
    config = make_config('fmkt', SHARDS, "custom_hooks = [dict(type='EMAHook')]")
    message = refused(monkeypatch, 'train.py', config, '--work-dir', tmp_path)
    assert 'EMAHook must not be used with FSDP' in message
