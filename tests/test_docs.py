"""The documents: their links lead somewhere, what they name exists, and their examples work. Sphinx is not needed."""

import argparse
import inspect
import re
import runpy
import shlex
import signal
import sys

import mmdet.registry
import mmengine.registry
import mmrazor.registry
import pytest
import torch
from commands import ROOT
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.registry import Registry
from mmrazor.registry import HOOKS, MODELS

from mmfmkt.models import FMKTLoss, PyramidFlow
from mmfmkt.models.flows.pyramid_flow import EncoderSettings
from mmfmkt.models.teacher.teacher_inference import TeacherInference
from mmfmkt.pairing.method import method_names
from mmfmkt.pairing.pair import SETTINGS
from mmfmkt.pairing.short_form import write_out

PAGES = sorted(
    page
    for page in [
        *ROOT.glob('*.md'),
        *ROOT.glob('tools/*.md'),
        *ROOT.rglob('configs/**/*.md'),
        *ROOT.glob('docs/**/*.md'),
    ]
    if '_build' not in page.parts
)
BLOCK = re.compile(r'^```([^\n`]*)\n(.*?)^```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\((?!https?:|mailto:)([^()\s]*)\)')
PATH = re.compile(r'(?<![\w/.*-])(?:configs|docs|mmfmkt|tests|tools)/[\w./*-]*[\w*/]')
TYPE = re.compile(r'\b(mmrazor|mmdet)\.([A-Z]\w+)')
PLACEHOLDER = re.compile(r'[A-Z]{3}|_build|RUN_')
DETECTOR = """
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(depth=18, base_channels={width}, init_cfg=None),
    neck=dict(in_channels=[{width}, 2 * {width}, 4 * {width}, 8 * {width}]),
    bbox_head=dict(feat_channels=8, stacked_convs=1))
"""
PAIR = """
_base_ = 'my_detector.py'
model = dict(
    _delete_=True, type='mmrazor.FMKTPair', architecture=_base_.model, teacher='my_large_detector.py',
    teacher_ckpt='my_large_detector.pth', method={method!r})
"""
SCRIPTS = {  # arguments of a script -> those of the tool that it starts
    'dist_train.sh': ('train.py', lambda config, gpus, *rest: (config, *rest)),
    'dist_test.sh': ('test.py', lambda config, checkpoint, gpus, *rest: (config, checkpoint, *rest)),
    'slurm_train.sh': ('train.py', lambda part, job, config, folder, *rest: (config, '--work-dir', folder, *rest)),
    'slurm_test.sh': ('test.py', lambda part, job, *rest: rest),
    'quickstart.sh': ('quickstart.py', lambda *rest: rest),
}


class Parsed(Exception):
    """The arguments are right."""


def short(page):
    return str(page.relative_to(ROOT))


def text_of(page):
    """A page with what it includes."""
    included = re.findall(r'^```\{include\} (\S+)', page.read_text(), re.MULTILINE)
    return page.read_text() + ''.join((page.parent / file).read_text() for file in included)


def anchors(page):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r'^#+ (.*)$', BLOCK.sub('', text_of(page)), re.MULTILINE)
    plain = [re.sub(r'[`*]|\]\([^)]*\)|\[', '', heading).strip().lower() for heading in headings]
    return {re.sub(r'[^\w\s-]', '', heading).replace(' ', '-') for heading in plain}


def code_of(page):
    """What stands in code blocks and in backticks."""
    text = page.read_text()
    blocks = [block for _, block in BLOCK.findall(text)]
    return '\n'.join(blocks + re.findall(r'`([^`\n]+)`', BLOCK.sub('', text)))


def blocks_of(language):
    """Every code block of a language, with the name of its place."""
    for page in PAGES:
        for index, (kind, block) in enumerate(BLOCK.findall(page.read_text())):
            if kind == language:
                yield pytest.param(block, id=f'{short(page)}-{index}')


def is_config(block):
    return ('_base_ = ' in block or 'model = dict(' in block) and 'my_parts' not in block  # tests/test_extension.py


def registered(scope, name):
    """Is there a type of this name in any registry of a scope?"""
    module = dict(mmrazor=mmrazor.registry, mmdet=mmdet.registry, mmengine=mmengine.registry)[scope]
    return any(isinstance(registry, Registry) and name in registry.module_dict for registry in vars(module).values())


@pytest.mark.parametrize('page', PAGES, ids=short)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(re.sub(r'`[^`\n]*`', '', BLOCK.sub('', page.read_text()))):
        file, _, anchor = link.partition('#')
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f'{link}: there is no such file'
        assert ROOT in target.parents, f'{link}: outside of the project'
        if anchor:
            assert anchor in anchors(target), f'{link}: the headings are {sorted(anchors(target))}'


@pytest.mark.parametrize('page', PAGES, ids=short)
def test_every_path_and_type_in_code_exists(page):
    code = code_of(page)
    for path in {path.rstrip('.') for path in PATH.findall(code)}:
        if not PLACEHOLDER.search(path):
            assert list(ROOT.glob(path)), path
    made = set(re.findall(r'^class (\w+)', code, re.MULTILINE))
    for scope, name in set(TYPE.findall(code)):
        assert name in made or registered(scope, name) or registered(scope, f'{name}Recorder'), f'{scope}.{name}'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp('examples')
    for name, width in (('my_detector', 8), ('my_large_detector', 16), ('another_detector', 12)):
        (folder / f'{name}.py').write_text(DETECTOR.format(width=width))
        detector = DETECTORS.build(Config.fromfile(folder / f'{name}.py').model)
        torch.save(dict(state_dict=detector.state_dict()), folder / f'{name}.pth')
    return folder


def put_base(name, folder):
    """Write the base of an example into the folder: a config of the project, of a small pair with the same method."""
    if (ROOT / 'configs' / name).is_file():
        (folder / name).write_text(PAIR.format(method=name.split('_')[0]))


@pytest.mark.parametrize('block', [block for block in blocks_of('python') if is_config(block.values[0])])
def test_every_config_builds(block, folder, monkeypatch):
    if 'TimmTeacher' in block:
        pytest.importorskip('timm')
    monkeypatch.chdir(folder)
    for base in re.findall(r"^_base_ = '([\w.-]+)'", block, re.MULTILINE):
        put_base(base, folder)
    (folder / 'example.py').write_text(block.replace('/path/to/mmfmkt', str(ROOT)))
    cfg = Config.fromfile(folder / 'example.py')
    if 'model' not in cfg:  # a method
        (folder / 'pair.py').write_text(PAIR.format(method=str(folder / 'example.py')))
        cfg = Config.fromfile(folder / 'pair.py')
    for hook in cfg.get('custom_hooks') or ():
        HOOKS.build(hook)
    written = write_out(cfg)
    assert written.model.type in ('mmrazor.FMKTDistill', 'mmrazor.OFMKTThetaDistill')
    if written.model.get('teacher_ckpt') in (None, 'my_large_detector.pth'):
        MODELS.build(written.model)


def commands_of(block):
    """The command lines of a block of shell, without environment variables and the words of loops."""
    for line in block.replace('\\\n', ' ').splitlines():
        words = shlex.split(line.strip(), comments=True)
        while words and ('=' in words[0].split('/')[0] or words[0] in ('do', 'exec', 'sudo')):
            words = words[1:]
        yield from [words] if words and words[0] not in ('for', 'done') else []


def tool_of(words):
    """The tool that a command starts, and its arguments; None for other commands."""
    places = [index for index, word in enumerate(words) if re.fullmatch(r'tools/[\w/]+\.(py|sh)', word)]
    if not places:
        return None
    tool, arguments = words[places[0]].removeprefix('tools/'), words[places[0] + 1 :]
    if tool in SCRIPTS:
        tool, translate = SCRIPTS[tool]
        arguments = translate(*arguments)
    return tool, list(arguments)


@pytest.mark.parametrize('block', blocks_of('bash'))
def test_every_command_is_one_that_its_tool_understands(block, monkeypatch):
    monkeypatch.setattr(signal, 'signal', lambda *_: None)
    for name in ('parse_args', 'parse_intermixed_args'):
        original = getattr(argparse.ArgumentParser, name)

        def parse(parser, *args, original=original):
            original(parser, *args)
            raise Parsed

        monkeypatch.setattr(argparse.ArgumentParser, name, parse)
    for tool, arguments in filter(None, map(tool_of, commands_of(block))):
        assert (ROOT / 'tools' / tool).is_file(), tool
        if tool.endswith('.py'):
            monkeypatch.setattr(sys, 'argv', [tool, *arguments])
            with pytest.raises(Parsed):
                runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')


def test_every_method_is_explained():
    text = (ROOT / 'docs/methods.md').read_text()
    for method in method_names():
        assert f'\n| `{method}` |' in text, method


@pytest.mark.parametrize(
    'page, settings',
    [
        ('settings', SETTINGS),
        ('settings', TeacherInference),
        ('flow', PyramidFlow),
        ('flow', EncoderSettings),
        ('loss', FMKTLoss),
    ],
)
def test_every_setting_is_explained(page, settings):
    text = (ROOT / f'docs/{page}.md').read_text()
    names = inspect.signature(settings).parameters if isinstance(settings, type) else settings
    for name in set(names) - {'data_preprocessor', 'init_cfg', 'encoders'}:  # MMEngine's, and those of EncoderSettings
        assert f'`{name}`' in text, name
