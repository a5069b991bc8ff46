"""The Dockerfile, as far as it can be checked without building it; tools/lint.sh runs hadolint on it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'tools' / 'environment'))

import install  # noqa: E402

DOCKERFILE = (ROOT / 'Dockerfile').read_text()


def test_both_stages_install_what_the_readme_asks_for():
    wanted = re.search(r'apt install (.+)', (ROOT / 'README.md').read_text())[1].split()
    stages = re.findall(r'apt-get install ([^&]+)&&', DOCKERFILE)
    assert len(stages) == 2
    for stage in stages:
        assert set(wanted) <= set(stage.replace('\\', '').split())


def test_the_image_for_gpus_has_the_cuda_of_pytorch():
    assert re.search(r'nvidia/cuda:(\d+\.\d+)\.\d+-devel', DOCKERFILE)[1] == install.CUDA


def test_no_file_of_the_project_stays_out_of_the_container():
    tracked = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split()
    left_out = [line for line in (ROOT / '.dockerignore').read_text().splitlines() if line and line[0] != '#']
    ignored = [line.removeprefix('**/') for line in left_out]
    assert '.venv' in ignored and not any(set(Path(file).parts) & set(ignored) for file in tracked)
