"""What is installed is whole, and what checks the code has one version everywhere."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_wheel_holds_the_package_its_configs_and_its_tools(tmp_path):
    # a copy, because a build leaves folders behind
    files = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not files:
        pytest.skip('not a git checkout')
    for name in files:
        target = tmp_path / 'source' / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', tmp_path]
    subprocess.run([*command, tmp_path / 'source'], check=True, capture_output=True)
    (wheel,) = tmp_path.glob('*.whl')
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name in files:
        if name.startswith('mmfmkt/') and name.endswith(('.py', 'py.typed')):
            assert name in inside
        if name.startswith(('configs/', 'tools/', 'model-index.yml')):
            assert (f'mmfmkt/.mim/{name}' in inside) == name.endswith(('.py', '.yml', '.sh')), name
    assert 'mmfmkt/py.typed' in inside
    assert not [name for name in inside if name.endswith(('.png', '.jpg', '.jsonl', '.md', '.pyc'))]


def test_a_commit_and_continuous_integration_are_checked_by_the_same_ruff():
    (pinned,) = re.findall(r"'ruff==([\d.]+)'", (ROOT / 'setup.py').read_text())
    assert f'ruff-pre-commit\n    rev: v{pinned}\n' in (ROOT / '.pre-commit-config.yaml').read_text()
