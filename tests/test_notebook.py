"""The notebook runs from its first cell to its last."""

import json
import sys

import pytest
from commands import ROOT, run, succeed

NOTEBOOK = ROOT / 'docs' / 'demo.ipynb'


def cells():
    """The code of each cell."""
    content = json.loads(NOTEBOOK.read_text())
    return [''.join(cell['source']) for cell in content['cells'] if cell['cell_type'] == 'code']


def test_it_has_no_outputs_of_somebody_elses_machine():
    content = json.loads(NOTEBOOK.read_text())
    assert all(not cell.get('outputs') and cell.get('execution_count') is None for cell in content['cells'])


@pytest.mark.slow
def test_its_cells_run_in_their_order_on_a_few_scenes(tmp_path):
    settings, *others = cells()
    assert settings.startswith('SCENES, EPOCHS, OUT = ')
    few = f'SCENES, EPOCHS, OUT = 32, 1, {str(tmp_path)!r}'
    printed = succeed(run(sys.executable, '-W', 'ignore', '-c', '\n'.join([few, *others])))
    assert all(f'{name}: AP ' in printed for name in ('alone', 'distilled', 'teacher'))
    assert (tmp_path / 'detections.png').stat().st_size > 1000
