import subprocess
import sys

import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer


def test_mmrazor_imports_and_the_recursion_limit_stays():
    code = ('import sys; before = sys.getrecursionlimit(); import mmfmkt, mmrazor.models; '
            'assert sys.getrecursionlimit() == before')
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)


def test_a_runners_history_is_read_with_weights_only(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    torch.save(dict(message_hub=history), tmp_path / 'checkpoint.pth')
    loaded = torch.load(tmp_path / 'checkpoint.pth', weights_only=True)['message_hub']
    assert loaded.mean() == 1.5


class WritesAFile:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_nothing(tmp_path):
    torch.save(dict(state_dict=WritesAFile(tmp_path / 'harm')), tmp_path / 'checkpoint.pth')
    with pytest.raises(Exception, match='Weights only load failed'):
        torch.load(tmp_path / 'checkpoint.pth', weights_only=True)
    assert not (tmp_path / 'harm').exists()
