"""How threads wait."""

import ast
import os

import pytest

from mmfmkt.common.threads import wait_asleep


@pytest.mark.parametrize(
    'said, policy', [({}, 'PASSIVE'), (dict(OMP_WAIT_POLICY='ACTIVE'), 'ACTIVE'), (dict(GOMP_SPINCOUNT='9'), None)]
)
def test_threads_sleep_unless_the_user_has_said_how_they_wait(monkeypatch, said, policy):
    monkeypatch.setattr(os, 'environ', said)
    wait_asleep()
    assert os.environ.get('OMP_WAIT_POLICY') == policy


def test_tools_say_it_before_pytorch_is_imported(root):
    tools = [
        file
        for file in (root / 'tools').glob('*.py')
        if 'import mmfmkt' in file.read_text() or 'from mmfmkt' in file.read_text()
    ]
    assert len(tools) > 8
    for tool in tools:
        modules = [
            node.names[0].name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(tool.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        packages = [module.split('.')[0] for module in modules]
        assert not {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmrazor'}.intersection(
            packages[: packages.index('mmfmkt')]
        ), tool
