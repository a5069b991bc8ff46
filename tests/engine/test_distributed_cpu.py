"""Processes on CPUs, by the names that their launchers give them."""

import os

import pytest

from mmfmkt.common.processes import LAUNCHERS, is_first_process
from mmfmkt.engine.distributed_cpu import name_process

STARTED = dict(
    slurm=dict(SLURM_PROCID='1', SLURM_NTASKS='4', SLURM_LOCALID='1', SLURM_NODELIST='a'),
    mpi=dict(OMPI_COMM_WORLD_RANK='1', OMPI_COMM_WORLD_SIZE='4', OMPI_COMM_WORLD_LOCAL_RANK='1'),
)


@pytest.mark.parametrize('launcher', STARTED)
def test_what_a_launcher_says_is_what_pytorch_reads(monkeypatch, launcher):
    ranks = [names['RANK'] for names in LAUNCHERS.values()]
    for name in (*ranks, 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT'):
        monkeypatch.setenv(name, 'x')  # taken back after the test
        monkeypatch.delenv(name)
    for name, value in dict(STARTED[launcher], MASTER_ADDR='first').items():
        monkeypatch.setenv(name, value)
    assert not is_first_process()
    monkeypatch.setenv(LAUNCHERS[launcher]['RANK'], '0')
    assert is_first_process()
    name_process(launcher)
    read = [os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')]
    assert read == ['0', '4', '1', 'first', '29500']
