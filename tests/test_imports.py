"""Imports point one way, and the mathematics needs torch alone."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'mmfmkt'
# a part may import itself and what stands before it
ORDER = [
    'common',
    'compat',
    'flow',
    'detectors',
    'models/meta_encoders',
    'models/flows',
    'models/recorders',
    'models/metrics',
    'models/losses',
    'models/teacher',
    'models/distill',
    'models',
    'pairing',
    'deploy',
    'visualization',
    'engine',
    'inspection',
    'cli',
    'api',
    'lab',
]
FILES = sorted(path for path in PACKAGE.rglob('*.py') if path != PACKAGE / '__init__.py' and '.mim' not in path.parts)


def part_of(path):
    """The entry of ORDER that a file or module path below the package belongs to: the longest that fits."""
    fitting = [part for part in ORDER if path == part or path.startswith(f'{part}/')]
    assert fitting, f'{path} stands in no part of ORDER'
    return max(fitting, key=len)


def imported(file):
    """Every module that a file imports, as a path: `mmfmkt/flow/transport`, `torch`, ..."""
    here = file.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.replace('.', '/') for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '/'.join(here[: len(here) - node.level + 1]) + '/' if node.level else ''
            module = (node.module or '').replace('.', '/')
            names = [alias.name for alias in node.names] if not module or module == 'mmfmkt' else ['']
            yield from (f'{base}{module}/{name}'.replace('//', '/').strip('/') for name in names)


@pytest.mark.parametrize('file', FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file):
    own = part_of(str(file.relative_to(PACKAGE).with_suffix('')).removesuffix('/__init__'))
    for module in imported(file):
        if module.startswith('mmfmkt/'):
            other = part_of(module.removeprefix('mmfmkt/'))
            assert ORDER.index(other) <= ORDER.index(own), f'{file} imports {module}'


def test_the_mathematics_imports_torch_and_the_standard_library_alone():
    allowed = {'torch', 'mmfmkt', *sys.stdlib_module_names}
    for file in (PACKAGE / 'flow').glob('*.py'):
        assert {module.split('/')[0] for module in imported(file)} <= allowed, file


def test_the_mathematics_is_short():
    assert sum(len(file.read_text().splitlines()) for file in (PACKAGE / 'flow').glob('*.py')) < 300
