"""What is installed is whole, and what checks the code has one version everywhere."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def source(tmp_path):
    """A copy of the project, because a build leaves folders behind, and the names of its files."""
    files = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not files:
        pytest.skip('not a git checkout')
    for name in files:
        target = tmp_path / 'source' / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    return tmp_path / 'source', files


@pytest.mark.slow
def test_a_wheel_holds_the_package_its_configs_and_its_tools(tmp_path, source):
    folder, files = source
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', tmp_path]
    subprocess.run([*command, folder], check=True, capture_output=True)
    (wheel,) = tmp_path.glob('*.whl')
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name in files:
        if name.startswith('mmfmkt/') and name.endswith(('.py', 'py.typed')):
            assert name in inside
        if name.startswith(('configs/', 'tools/', 'model-index.yml')):
            assert (f'mmfmkt/.mim/{name}' in inside) == name.endswith(('.py', '.yml', '.sh')), name
    assert 'mmfmkt/py.typed' in inside
    assert not [name for name in inside if name.endswith(('.png', '.jpg', '.jsonl', '.md', '.pyc'))]


def test_a_source_distribution_holds_what_an_installation_from_it_reads(tmp_path, source):
    folder, files = source
    command = [sys.executable, 'setup.py', '-q', 'sdist', '-d', tmp_path / 'made']
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (archive,) = (tmp_path / 'made').glob('*.tar.gz')
    inside = {name.partition('/')[2] for name in tarfile.open(archive).getnames()}
    read = ('configs/', 'mmfmkt/', 'tools/', 'README.md', 'model-index.yml', 'pyproject.toml', 'requirements.txt')
    assert {name for name in files if name.startswith(read)} <= inside


def test_scripts_keep_the_ends_of_lines_that_a_shell_reads():
    files = [*ROOT.glob('tools/*'), *ROOT.glob('tests/stress/*'), *ROOT.glob('.ci/*')]
    scripts = [file for file in files if file.is_file() and file.read_bytes().startswith(b'#!/usr/bin/env bash')]
    patterns = [line.split()[0] for line in (ROOT / '.gitattributes').read_text().splitlines() if line[0] != '#']
    assert scripts
    for file in scripts:
        assert any(file.relative_to(ROOT).match(pattern) for pattern in patterns), file


def test_a_commit_and_continuous_integration_are_checked_by_the_same_ruff():
    (pinned,) = re.findall(r"'ruff==([\d.]+)'", (ROOT / 'setup.py').read_text())
    assert f'ruff-pre-commit\n    rev: v{pinned}\n' in (ROOT / '.pre-commit-config.yaml').read_text()
