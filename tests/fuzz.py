"""Damage configs, command lines, checkpoints, images and annotations, and see whether the tools say what is wrong.

    OMP_NUM_THREADS=1 python tests/fuzz.py --cases 300
    OMP_NUM_THREADS=1 python tests/fuzz.py --only 17        # this case alone, with all that it prints

Every case must end in success or in one message. A fault is a traceback, a hang, a crash, an end without a message, or a
checkpoint whose code was run. Messages that name neither the setting nor the file that was damaged are listed as poor; that
is a guess, and no fault. A case depends on the seed and on its number alone. Ends with 1 if there is a fault.
"""
import argparse
import collections
import copy
import json
import os
import pprint
import random
import re
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from PIL import Image

import mmfmkt  # noqa: F401 (registers everything; imported once, before the cases are forked)
from mmfmkt.demo.digit_scenes import SPLITS, make_split

ROOT = Path(__file__).parents[1]
CONFIG = """
_base_ = '{root}/configs/demo/fmkt-theta.py'
model = dict(architecture=dict(backbone=dict(base_channels=8), neck=dict(in_channels=[8, 16, 32, 64])), teacher='teacher.py',
             teacher_ckpt='teacher.pth', weight_schedule=dict(warm_up_iters=5))
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(64, 64), keep_ratio=True), dict(type='PackDetInputs')]
train_dataloader = dict(batch_size=4, dataset=dict(data_root='', pipeline=pipeline))
val_dataloader = dict(dataset=dict(data_root='', pipeline=pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='annotations/val.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1))
randomness = dict(seed=0)
"""
# variables of the files below it, which nobody reads; damage to them would be none
UNUSED = ('conv_flow', 'light_flow', 'light_head_flow', 'flow', 'distiller', 'teacher', 'data_root', 'metainfo', 'image_size',
          'pipeline', 'train_pipeline', 'test_pipeline', 'max_epochs')
ALGORITHM, DETECTOR = ('teacher', 'teacher_ckpt', 'architecture'), 'architecture'
LIMIT, MEMORY = 60, 12 << 30  # seconds and bytes (of address space) of a case
HINTS = re.compile(r'\(--debug shows where this was found\)|\(the traceback is in |^\S+\.py: error: ', re.MULTILINE)
TRACEBACK = 'Traceback (most recent call last)'
INTERNAL = re.compile(r'(Attribute|Key|Index|Type|Assertion|Runtime|NotImplemented|ZeroDivision|UnboundLocal|Value|Overflow|Name|'
                      r'Memory|Recursion|OS|Unicode\w*|JSONDecode|Import)?[eE]rror\b')
EXECUTED = 'executed'  # the file that the code in a checkpoint would write
SUCCESS, ERROR, POOR = 'success', 'error', 'poor'
FAMILIES = collections.defaultdict(list)  # family -> damages, functions of a case that return what they have done


class Code(str):
    """Python code that stands in a config as it is."""
    __repr__ = str.__str__


VALUES = (None, -1, 0, 10**6, 1.5, 'nonsense', '', [], {}, [1, 'a'], True, Code("float('nan')"), Code("float('inf')"))
# where a huge number is no mistake, only a long run, or more processes than a machine should have
LONG = ('max_epochs', 'num_workers', 'stacked_convs', 'num_outs', 'num_steps', 'scales_per_octave', 'prefetch_factor')


class Case:
    """A folder with data, checkpoints and config of one case, and what is done to them."""

    def __init__(self, folder, original, config, rng):
        shutil.copytree(original, folder)
        self.folder, self.rng, self.cfg = folder, rng, copy.deepcopy(config)
        self.edit, self.arguments, self.words = lambda text: text, [], set()
        workers = rng.choice([0, 0, 1])
        for split in ('train', 'val', 'test'):
            self.cfg[f'{split}_dataloader'].update(num_workers=workers, persistent_workers=workers > 0)
        self.tool = rng.choices(['train', 'distill', 'test', 'export_student'], [6, 2, 2, 1])[0]
        if self.tool == 'distill':
            self.cfg['model'] = self.cfg['model']['architecture']
        elif rng.random() < 0.2:
            self.be_short()
        self.positional = dict(train=['config.py'], distill=['config.py', 'teacher.py', 'teacher.pth'],
                               test=['config.py', 'student.pth'],
                               export_student=['config.py', 'student.pth', 'out.pth'])[self.tool]

    def be_short(self):
        if self.tool != 'distill':
            model = self.cfg['model']
            self.cfg['model'] = {'type': 'mmrazor.FMKTPair', **{key: model[key] for key in ALGORITHM if key in model}}

    def name(self, *words):
        """Words of which a good message has one."""
        self.words.update(str(word) for word in words if len(str(word)) > 1)

    def set(self, path, value):
        """Set what stands in the config at a path; return what was done."""
        *parents, last = path
        node = self.cfg
        try:
            for key in parents:
                node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
            node[last] = value
        except (AttributeError, IndexError, TypeError):
            return f'nothing at {dotted(path)}'
        self.name(*[key for key in path if isinstance(key, str)][-2:])
        self.name(value)
        return f'{dotted(path)} = {value!r}'

    def write_config(self):
        text = '\n'.join(f'{key} = {pprint.pformat(value)}' for key, value in self.cfg.items()) + '\n'
        (self.folder / 'config.py').write_text(self.edit(text))

    def argv(self):
        work_dir = [] if self.tool == 'export_student' else ['--work-dir', 'work_dir']
        return [f'{self.tool}.py', *self.positional, *work_dir, *self.arguments]


def damage(family):
    """Register a damage."""
    return lambda function: FAMILIES[family].append(function) or function


def dotted(path):
    return '.'.join(map(str, path))


def walk(node, path=()):
    """The paths of everything in a config but its root."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, value in items:
        yield (*path, key)
        yield from walk(value, (*path, key))


def at(node, path):
    for key in path:
        node = node[key]
    return node


def draw_path(case, choose=lambda path: True):
    return case.rng.choice([path for path in walk(case.cfg) if choose(path)])


@damage('config')
@damage('config')
@damage('config')
def wrong_value(case):
    path = draw_path(case)
    values = [value for value in VALUES if value != 10**6 or not set(LONG) & set(path)]
    return case.set(path, case.rng.choice(values))


@damage('config')
def removed_key(case):
    path = draw_path(case)
    parent = at(case.cfg, path[:-1])
    if not isinstance(parent, tuple):
        del parent[path[-1]]
    case.name(*[key for key in path if isinstance(key, str)][-2:])
    return f'no {dotted(path)}'


@damage('config')
def unknown_key(case):
    path = draw_path(case, lambda path: isinstance(at(case.cfg, path), dict))
    return case.set((*path, case.rng.choice(['num_stepz', 'foo', 'lr'])), case.rng.choice([1, 'a', None]))


@damage('config')
def unknown_type(case):
    path = draw_path(case, lambda path: path[-1] == 'type')
    return case.set(path, case.rng.choice(['Nowhere', 'mmrazor.Nowhere', 'mmdet.ResNet', 'Conv2d', 'nowhere.Nowhere', 3]))


# short name of a place in the config -> the place; what is wrong there
FLOW = 'model.distiller.connectors.flow.flow.'
LOSS = 'model.distiller.distill_losses.loss_fmkt.'
MAPPING = 'model.distiller.loss_forward_mappings.loss_fmkt.'
TABLE = {
    FLOW + 'levels': [(0, 7), (), (0, 0), -1, 'all', (0.5, ), None],
    FLOW + 'num_steps': [0, -2, 1.5, '4', [], [1, 0], [[1]], None, True],
    FLOW + 'inference_steps': [0, -1, 'two', 2.5],
    FLOW + 'schedule': ['VPODE', dict(type='mmrazor.Cosine'), dict(), dict(type='mmrazor.VPODE', beta=3), 4,
                        dict(type='mmrazor.RectifiedFlow', foo=1)],
    FLOW + 'solver': ['Heun', dict(type='RK45'), dict(type='mmrazor.Euler', order=3), 0],
    FLOW + 'meta_encoder': [None, 'light', dict(type='mmdet.FPN'), dict(type='mmrazor.LightMetaEncoder'), [], 3,
                            dict(type='mmrazor.ConvMetaEncoder', channels=7), dict(type='mmrazor.MLPMetaEncoder', channels=-64),
                            [dict(type='mmrazor.LightMetaEncoder', channels=64)], dict(type='mmrazor.SwinMetaEncoder', channels=0)],
    FLOW + 'shared': ['yes', [], dict(a=1)],
    LOSS + 'metric': [None, 'mse', dict(type='mmrazor.Nowhere'), dict(type='mmdet.FocalLoss'), dict(type='mmdet.MSELoss', foo=1),
                      dict(type='mmrazor.FMKTLoss'), dict(type='mmrazor.BinaryKDLoss', tau=0), [dict(type='mmdet.MSELoss')]],
    LOSS + 'loss_weight': [-1, 'ten', None, [1, 2], [], Code("float('nan')"), Code("float('inf')"), 1e30],
    LOSS + 'transform': ['conv', dict(type='mmrazor.Nowhere'), [None], 1,
                         dict(type='mmrazor.ConvModuleConnector', in_channel=64, out_channel=8),
                         dict(type='mmrazor.ConvModuleConnector', in_channel=3, out_channel=64)],
    LOSS + 'teacher_levels': [(0, ), (0, 1, 9), (-1, 0, 1), 'all', 1, (0, 0, 0)],
    LOSS + 'keep_pairs': [-1, 2, 'half', None, []],
    LOSS + 'student_weight': [-1, 'one', None, []],
    'model.weight_schedule': [3, 'linear', dict(foo=1), dict(warm_up_iters=-1), dict(warm_up_iters='a'), [], dict(stop_epoch=-1),
                              dict(stop_epoch=0), dict(stop_epoch='never'), dict(warm_up_iters=1.5)],
    'model.distiller.student_recorders.pyramid.source': ['nek', '', None, 3, 'neck.nowhere', 'backbone', 'bbox_head.retina_cls'],
    'model.distiller.teacher_recorders.pyramid.source': ['nek', '', None, 'backbone.conv1', 'backbone', 'bbox_head'],
    'model.distiller.teacher_recorders': [{}, None, dict(pyramid=dict(type='mmrazor.Nowhere', source='neck')),
                                          dict(other=dict(type='mmrazor.ModuleOutputs', source='neck'))],
    'model.distiller.connectors': [{}, None, dict(flow=None), dict(flow=dict(type='mmrazor.ConvModuleConnector')), []],
    MAPPING + 'trajectories': [{}, None, dict(from_student=True, recorder='nowhere'), 'pyramid',
                               dict(from_student=True, recorder='pyramid', connector='nowhere'),
                               dict(from_student=True, recorder='pyramid'), dict(from_student=True, recorder='pyramid', foo=1)],
    MAPPING + 'teacher_features': [{}, None, dict(from_student=True, recorder='pyramid'), dict(from_student=False, recorder=3),
                                   dict(from_student=False, recorder='pyramid', data_idx=9),
                                   dict(from_student=False, recorder='pyramid', record_idx=5)],
    'model.distiller.loss_forward_mappings': [{}, None, dict(loss_other={}), [], dict(loss_fmkt={})],
    'model.distiller.distill_losses': [{}, None, dict(fmkt=dict(type='mmdet.MSELoss')), dict(loss_fmkt={})],
    'model.distiller.type': ['mmrazor.BYOTDistiller', 'mmrazor.OFDDistiller', 'ConfigurableDistiller'],
    'model.inherit': ['necks', ['neck', 'tail'], 3, 'head', ['neck'], None],
    'model.evaluate_teacher': ['yes', []],
    'model.log_only': ['loss_nowhere', ['loss_nowhere'], 3, ['loss_fmkt']],
    'model.teacher': ['nowhere.py', 'mmdet::nowhere.py', 'nowhere::a.py', {}, 3, None, 'annotations', 'teacher.pth', 'config.py',
                      dict(type='mmdet.ResNet', depth=18), dict(type='Nowhere'), 'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'],
    'model.teacher_ckpt': ['nowhere.pth', '', None, 3, 'annotations', 'teacher.py', 'http://127.0.0.1:9/teacher.pth',
                           'torchvision://nowhere', 's3://bucket/teacher.pth', 'student.pth'],
    'optim_wrapper': [None, {}, dict(type='Nowhere'), dict(optimizer=dict(type='AdamW', lr=1e-3)), 'AdamW', []],
    'optim_wrapper.optimizer': [dict(type='Adamm', lr=1), dict(type='SGD'), dict(type='AdamW', lr=-1), dict(type='SGD', lr='a'),
                                dict(type='AdamW', lr=1e30), dict(lr=1), dict(type='SGD', lr=1e-3, betas=3), None],
    'optim_wrapper.clip_grad': [3, dict(norm=3), dict(max_norm='a'), dict(max_norm=-1), []],
    'optim_wrapper.accumulative_counts': [0, -1, 'a', 100],
    'optim_wrapper.paramwise_cfg': [3, dict(custom_keys=3), dict(custom_keys=dict(neck=3)), dict(foo=1)],
    'optim_wrapper.constructor': ['Nowhere', 'LearningRateDecayOptimizerConstructor', 3],
    'param_scheduler': [3, dict(type='Nowhere'), [dict(type='LinearLR', start_factor=-1)], [dict(type='MultiStepLR')], [None],
                        [dict(type='StepLR', step_size='a')], [dict(type='CosineAnnealingLR', T_max=0, by_epoch=True)], 'linear'],
    'custom_hooks': [3, [3], [dict(type='NowhereHook')], [dict(type='EMAHook', momentum=7)], dict(type='EMAHook'),
                     [dict(type='mmrazor.StepWarmUpHook', num_steps=[(1, 1)])], [dict(type='mmrazor.NonFiniteHook', action='go')],
                     [dict(type='mmrazor.StepWarmUpHook', num_steps=[(0, 'a')])], [dict(type='mmrazor.PreemptionHook', interval=0)],
                     [dict(type='EarlyStoppingHook', monitor='nowhere')], [dict(type='mmrazor.FlowLogHook', interval='a')]],
    'default_hooks.checkpoint': [None, 3, dict(type='CheckpointHook', interval='a'), dict(type='CheckpointHook', save_best='AP'),
                                 dict(type='CheckpointHook', interval=0), dict(type='Nowhere'),
                                 dict(type='CheckpointHook', interval=1, out_dir='config.py')],
    'default_hooks.logger': [dict(type='LoggerHook', interval=0), 3, dict(type='Nowhere')],
    'train_dataloader.sampler': [None, dict(type='Nowhere'), 3, dict(type='DefaultSampler', seed='a'), dict(type='InfiniteSampler'),
                                 dict(type='ClassAwareSampler', num_sample_class=0)],
    'train_dataloader.batch_sampler': [dict(type='Nowhere'), dict(type='AspectRatioBatchSampler'), 3],
    'train_dataloader.batch_size': [0, -1, 'a', 2.5, None, 10**6],
    'train_dataloader.num_workers': [-1, 'a', 1.5, None],
    'train_dataloader.collate_fn': [dict(type='nowhere'), 3, dict(type='default_collate')],
    'train_dataloader.dataset.type': ['VOCDataset', 'Nowhere', 'RepeatDataset', 'ConcatDataset', 'LVISV1Dataset', 'CityscapesDataset'],
    'train_dataloader.dataset.metainfo': [dict(classes=('cat', 'dog')), dict(classes=()), 3, dict(classes=3), dict(classes='0123')],
    'train_dataloader.dataset.pipeline': [[], None, 3, [dict(type='Nowhere')], [dict(type='PackDetInputs')], ['LoadImageFromFile'],
                                          [dict(type='LoadImageFromFile'), dict(type='PackDetInputs')],
                                          [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
                                           dict(type='RandomCrop', crop_size=(0, 0)), dict(type='PackDetInputs')],
                                          [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_mask=True),
                                           dict(type='PackDetInputs')]],
    'train_dataloader.dataset.backend_args': [dict(backend='nowhere'), 3, dict(backend='petrel')],
    'train_dataloader.dataset.indices': [0, [99], 'a', -1],
    'val_dataloader': [None, {}, dict(batch_size=1), 3],
    'val_evaluator': [None, {}, dict(type='Nowhere'), dict(type='CocoMetric', metric='accuracy'), dict(type='VOCMetric'), [], 3,
                      dict(type='CocoMetric', ann_file='nowhere.json'), dict(type='CocoMetric', ann_file='teacher.pth')],
    'train_cfg': [None, {}, dict(by_epoch=True), dict(by_epoch=False, max_iters=0), dict(by_epoch=True, max_epochs=-1), 3,
                  dict(by_epoch=True, max_epochs='a'), dict(type='Nowhere'), dict(by_epoch=True, max_epochs=1, val_interval=0)],
    'visualizer': [None, 3, dict(type='Nowhere'), dict(type='DetLocalVisualizer', vis_backends=[dict(type='Nowhere')]),
                   dict(type='DetLocalVisualizer', vis_backends=[dict(type='WandbVisBackend')])],
    'env_cfg': [None, 3, dict(mp_cfg=dict(mp_start_method='nonsense')), dict(dist_cfg=3), {}],
    'custom_imports': [None, {}, dict(imports=['nowhere']), dict(imports=3), dict(imports=[]), 'mmfmkt', dict(imports=['mmfmkt.foo'])],
    'default_scope': ['nowhere', None, 3, 'mmrazor', 'mmengine'],
    'launcher': ['pytorch', 'nowhere'],
    'load_from': ['nowhere.pth', 3, 'annotations', 'config.py', 'http://127.0.0.1:9/a.pth', []],
    'resume': [True, 'nowhere.pth', 3],
    'randomness': [3, dict(seed='a'), dict(seed=-1), dict(seed=1.5), dict(foo=1), dict(seed=10**20), None, []],
    'work_dir': ['config.py', '', 3, '/proc/nowhere'],
    'log_level': ['LOUD', 3, None],
    'log_processor': [3, dict(window_size=0), dict(type='Nowhere'), dict(by_epoch='a'), None],
    'model.architecture.bbox_head.num_classes': [0, -1, 3, 'ten', None],
    'model.architecture.backbone': [None, dict(type='ResNet', depth=19), dict(type='Nowhere'), {}, dict(type='FPN'),
                                    dict(type='ResNet', depth=18, init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth')),
                                    dict(type='ResNet', depth=18, init_cfg=dict(type='Pretrained', checkpoint='annotations'))],
    'model.architecture.neck.in_channels': [[8, 16, 32], [8, 16, 32, 63], 'a', None, [], [0, 0, 0, 0]],
    'model.architecture.data_preprocessor': [None, {}, dict(type='Nowhere'), dict(type='DetDataPreprocessor', mean=[1], std=[0])],
    'model.architecture': [None, {}, dict(type='ResNet', depth=18), 3, 'config.py', dict(type='mmrazor.FMKTDistill')],
    'model': [None, {}, 3, dict(type='Nowhere'), [], dict(type='mmrazor.FMKTDistill'), dict(type='mmrazor.FMKTPair')],
}
SHORT = dict(variant=['fmkt', 'ofmkt', 'logit', None, 3, ['fmkt']], flow=[3, [], dict(foo=1), dict(levels=(9, )), dict(num_steps=0)],
             loss=[3, dict(foo=1), dict(metric=3), dict(type='Nowhere'), dict(loss_weight=-1)],
             distiller=[3, [], dict(foo=1), dict(student_recorders=3), dict(connectors=dict(flow=None))], foo=[1], inherit=['tail'],
             teacher=['nowhere.py', None, 3, {}], teacher_ckpt=[None, 'nowhere.pth', 3], task_weight=[3, 'a'], init_cfg=[3])


@damage('config')
@damage('config')
@damage('config')
@damage('config')
def wrong_setting(case):
    if case.tool == 'distill' or 'Pair' in str(case.cfg['model']):
        places = [place for place in TABLE if not place.startswith('model')]
    else:
        places = list(TABLE)
    place = case.rng.choice(places)
    return case.set(place.split('.'), case.rng.choice(TABLE[place]))


@damage('config')
def wrong_short_setting(case):
    case.be_short()
    key = case.rng.choice(list(SHORT))
    return case.set(['model', key], case.rng.choice(SHORT[key]))


@damage('config')
def broken_file(case):
    kind, edit = case.rng.choice([
        ('half of the config', lambda text: text[:len(text) // 2]), ('an empty config', lambda text: ''),
        ('a base that is not there', lambda text: f"_base_ = 'nowhere.py'\n{text}"),
        ('itself as a base', lambda text: f"_base_ = 'config.py'\n{text}"),
        ('an unknown variable', lambda text: f'{text}\nmodel = detector'), ('an open bracket', lambda text: f'{text}\nx = (1,'),
        ('a failing import', lambda text: f'import nowhere\n{text}'), ('a null byte', lambda text: f'{text}\n\0'),
        ('a division by zero', lambda text: f'{text}\nx = 1 / 0'), ('no model', lambda text: text.replace('\nmodel = ', '\nx = ')),
        ('a wrong indent', lambda text: f'{text}\n  x = 1'), ('JSON', lambda text: '{"a": 1}'),
        ('a function', lambda text: f'{text}\ndef f(): pass'), ('exit', lambda text: f'{text}\nimport sys\nsys.exit(3)'),
        ('bytes that are no text', lambda text: f'{text}\nx = "\udcff"'), ('a base of itself', lambda text: f'{text}\n_base_ = 3')])
    case.edit = lambda text: edit(text).encode('utf-8', 'surrogateescape').decode('latin-1')
    case.name('config.py')
    return kind


OPTIONS = ('model', 'model=', '=3', 'a', 'x=[1', 'x=(1,2', 'train_cfg=3', 'model.foo=1', 'model.architecture.neck.foo=1', 'a.b.c=1',
           'train_dataloader.batch_size=a', 'optim_wrapper.optimizer.lr=[1,', 'default_hooks.0=1', 'custom_hooks.3=1', '.=1', '..=',
           'train_dataloader.dataset.pipeline.9.scale=1', 'train_dataloader.dataset.pipeline.a=1', 'log_level=3', 'model.type=Nowhere',
           'load_from="', 'train_cfg.max_epochs=None', 'model.architecture.bbox_head.num_classes="10"', 'work_dir.a=1', 'x={1:')


@damage('command')
@damage('command')
def cfg_options(case):
    if case.tool == 'export_student':
        return 'nothing'
    option = case.rng.choice(OPTIONS)
    case.arguments += ['--cfg-options', option]
    case.name(option.partition('=')[0].split('.')[-1], 'cfg-options')
    return f'--cfg-options {option}'


@damage('command')
@damage('command')
def wrong_argument(case):
    place = case.rng.randrange(len(case.positional))
    case.positional[place] = case.rng.choice([
        'nowhere.py', 'nowhere.pth', 'annotations', '', 'teacher.pth', 'config.py', 'train/000000.jpg', 'annotations/train.json',
        'mmdet::nowhere.py', 'mmdet::', '::', 'nowhere::a.py', '/dev/null', 'http://127.0.0.1:9/a.pth', '/proc/a/b.pth', '--', '\n'])
    case.name(case.positional[place], 'the following arguments', '`')
    return f'argument {place} is {case.positional[place]!r}'


@damage('command')
def missing_argument(case):
    case.positional = case.positional[:case.rng.randrange(len(case.positional))]
    return f'only {case.positional}'


WRONG_OPTIONS = {
    'train': [['--resume', 'nowhere.pth'], ['--resume', 'annotations'], ['--resume', 'teacher.pth'], ['--resume', 'config.py'],
              ['--resume'], ['--resume', '--resume'], ['--auto-scale-lr'], ['--amp'], ['--launcher', 'pytorch'],
              ['--launcher', 'slurm'], ['--launcher', 'mpi'], ['--launcher', 'a'], ['--work-dir', 'config.py'], ['--foo'],
              ['--work-dir', '/proc/a'], ['--work-dir', ''], ['--local_rank', 'a'], ['--local-rank', '7']],
    'test': [['--out', 'a.txt'], ['--out', 'nowhere/a.pkl'], ['--out', 'config.py'], ['--out', '/proc/a.pkl'], ['--num-steps', '0'],
             ['--num-steps', '2'], ['--num-steps', 'a'], ['--tta'], ['--show-dir', 'config.py'], ['--show-dir', 'shown'],
             ['--wait-time', 'a'], ['--work-dir', 'config.py'], ['--launcher', 'pytorch'], ['--foo'], ['--show']],
    'export_student': [['--ema'], ['--live'], ['--ema', '--live'], ['--foo']]}
WRONG_OPTIONS['distill'] = WRONG_OPTIONS['train'] + [
    ['--variant', 'a'], ['--variant', 'fmkt'], ['--variant', 'ofmkt'], ['--variant', 'ofmkt-theta', '--inherit', 'neck'],
    ['--inherit', 'tail'], ['--inherit', 'neck', 'head'], ['--save', 'a.txt'], ['--save', 'annotations'], ['--save', '/proc/a.py'],
    ['--evaluate-teacher'], ['--dry-run', '--save', 'config.py'], ['--dry-run', '--save', 'config.py/a.py']]


@damage('command')
@damage('command')
def wrong_option(case):
    option = case.rng.choice(WRONG_OPTIONS[case.tool])
    case.arguments += option
    case.name(*option)
    return ' '.join(option)


class Evil:
    """An object that writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), 'w')


def other_detector(content, case):
    model = Config.fromfile(ROOT / 'configs/demo/retinanet_r34.py').model
    model.neck.out_channels = model.bbox_head.in_channels = 32
    content['state_dict'] = DETECTORS.build(dict(model, _scope_='mmdet')).state_dict()


def nan_weights(content, case):
    for value in content['state_dict'].values():
        if value.is_floating_point():
            value.fill_(float('nan'))


def missing_weights(content, case):
    for key in case.rng.sample(list(content['state_dict']), 5):
        del content['state_dict'][key]


def extra_weights(content, case):
    content['state_dict'].update({'foo.weight': torch.zeros(3), 'backbone.foo.bias': torch.zeros(1)})


def wrong_shapes(content, case):
    for key in case.rng.sample(list(content['state_dict']), 3):
        content['state_dict'][key] = torch.zeros(case.rng.choice([(1, ), (2, 3), (7, 7, 7, 7)]))


def no_tensors(content, case):
    content['state_dict'] = case.rng.choice([{}, [], None, 'weights', {'a': 1}, {3: torch.zeros(1)}])


def code(content, case):
    content[case.rng.choice(['meta', 'optimizer', 'evil'])] = Evil(case.folder / EXECUTED)


def broken_entry(content, case):
    key = case.rng.choice(['meta', 'optimizer', 'param_schedulers', 'message_hub', 'distiller'])
    content[key] = case.rng.choice([None, 3, 'nonsense', [], {}, {'a': 1}])


def missing_entry(content, case):
    content.pop(case.rng.choice([key for key in content if key != 'state_dict'] or ['state_dict']))


CONTENTS = (other_detector, nan_weights, missing_weights, extra_weights, wrong_shapes, no_tensors, code, broken_entry, missing_entry)
FILES = dict(empty=lambda whole, rng: b'', cut=lambda whole, rng: whole[:rng.randrange(len(whole))],
             random_bytes=lambda whole, rng: rng.randbytes(1000), text=lambda whole, rng: b'these are no weights\n' * 20,
             flipped_bytes=lambda whole, rng: whole[:500] + rng.randbytes(300) + whole[800:],
             json=lambda whole, rng: b'{"state_dict": {}}', lfs=lambda whole, rng: b'version https://git-lfs.github.com/spec/v1\n')


@damage('checkpoint')
def broken_checkpoint(case):
    """A checkpoint in a place that the tool reads."""
    name = 'teacher.pth' if case.tool == 'distill' else 'student.pth'
    if case.tool == 'train':
        name, arguments = case.rng.choice([('teacher.pth', []), ('student.pth', ['--resume', 'student.pth']),
                                           ('student.pth', ['--cfg-options', 'load_from=student.pth'])])
        case.arguments += arguments
        case.cfg['train_cfg'].update(max_epochs=2)  # something is left to train
    file, kind = case.folder / name, case.rng.choice([*CONTENTS, *CONTENTS, *FILES, 'directory'])
    case.name(name)
    if kind == 'directory':
        file.unlink()
        file.mkdir()
    elif isinstance(kind, str):
        file.write_bytes(FILES[kind](file.read_bytes(), case.rng))
    else:
        content = torch.load(file, weights_only=False, map_location='cpu')
        kind(content, case)
        torch.save(content, file)
    return f'{name} {" ".join(case.arguments)}: {getattr(kind, "__name__", kind)}'


IMAGES = {
    '1x1': lambda image: image.resize((1, 1)), '1xN': lambda image: image.resize((1, 100)), 'Nx1': lambda image: image.resize((100, 1)),
    '4000x8': lambda image: image.resize((4000, 8)), '8x4000': lambda image: image.resize((8, 4000)), 'large': lambda image:
    image.resize((1500, 1500)), 'gray': lambda image: image.convert('L'), 'RGBA': lambda image: image.convert('RGBA'), 'CMYK':
    lambda image: image.convert('CMYK'), 'palette': lambda image: image.convert('P'), 'one bit': lambda image: image.convert('1'),
    '16 bit': lambda image: Image.fromarray((np.asarray(image.convert('L')).astype(np.uint16) * 257))}
JPEG = ('CMYK', 'gray', 'large', '1x1')


@damage('image')
def broken_image(case):
    """One image of a data set, or all of them."""
    files = sorted((case.folder / case.rng.choice(['train', 'val'])).iterdir())
    if case.rng.random() < 0.5:
        files = [case.rng.choice(files)]
    kind = case.rng.choice([*IMAGES, 'missing', 'directory', 'empty', 'cut', 'random_bytes', 'text'])
    for file in files:
        case.name(file.name)
        if kind in FILES:
            file.write_bytes(FILES[kind](file.read_bytes(), case.rng))
        elif kind in IMAGES:
            IMAGES[kind](Image.open(file)).save(file, format='JPEG' if kind in JPEG else 'PNG')
        else:
            file.unlink()
            if kind == 'directory':
                file.mkdir()
    return f'{len(files)} of {files[0].parent.name}: {kind}'


def each(key, change, share=1.0):
    """Change the images or annotations of a data set, or some of them."""
    def apply(data, rng):
        for item in data[key]:
            if rng.random() < share:
                change(item, rng)
    return apply


def put(**values):
    return lambda item, rng: item.update({key: rng.choice(value) for key, value in values.items()})


def drop(key):
    return lambda item, rng: item.pop(key, None)


BOXES = dict(outside=[[500, 500, 20, 20], [-90, -90, 20, 20]], negative=[[5, 5, -10, 10], [60, 60, -30, -30]], zero=[[5, 5, 0, 0]],
             nan=[[float('nan')] * 4], inf=[[5, 5, float('inf'), 9], [float('-inf'), 1, 2, 3]], three=[[1, 2, 3]], five=[[1, 2, 3, 4, 5]],
             strings=[['1', '2', '3', '4'], 'box'], huge=[[0, 0, 1e30, 1e30], [0, 0, 10**9, 10**9]], nothing=[None, [], {}],
             nested=[[[1, 2], [3, 4]]], tiny=[[5, 5, 1e-9, 1e-9]])
ANNOTATIONS = {
    **{f'boxes {kind} ({share})': each('annotations', put(bbox=values), share) for kind, values in BOXES.items() for share in (1, 0.1)},
    **{f'no {key}': lambda data, rng, key=key: data.pop(key) for key in ('images', 'annotations', 'categories')},
    **{f'{key} = {value!r}': lambda data, rng, key=key, value=value: data.update({key: value})
       for key in ('images', 'annotations', 'categories') for value in ([], None, {}, 'nonsense', [3])},
    **{f'no {key} in {group} ({share})': each(group, drop(key), share) for share in (1, 0.1) for group, keys in dict(
        images=('id', 'file_name', 'width', 'height'), categories=('id', 'name'),
        annotations=('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd')).items() for key in keys},
    'unknown categories': each('annotations', put(category_id=[77])), 'some unknown categories': each(
        'annotations', put(category_id=[77, -1]), 0.2), 'categories that are text': each('annotations', put(category_id=['cat'])),
    'unknown images': each('annotations', put(image_id=[99])), 'some unknown images': each('annotations', put(image_id=[99]), 0.2),
    'one id for all annotations': each('annotations', put(id=[1])), 'one id for all images': each('images', put(id=[1])),
    'some images of one id': each('images', put(id=[1]), 0.4), 'ids that are text': each('images', put(id=['a', 'b'])),
    'crowds only': each('annotations', put(iscrowd=[1])), 'crowds of text': each('annotations', put(iscrowd=['no', None])),
    'other categories': each('categories', put(name=['cat', 'dog'])), 'names that are numbers': each('categories', put(name=[1, None])),
    'one id for all categories': each('categories', put(id=[1])), 'area of text': each('annotations', put(area=['big', None, -1])),
    'missing files': each('images', put(file_name=['nowhere.jpg', 'ü 图.jpg', '/nowhere/a.jpg', '../../a.jpg'])),
    'some missing files': each('images', put(file_name=['nowhere.jpg', 'ü 图.jpg']), 0.2),
    'file names that are none': each('images', put(file_name=['', None, 3, '.', 'a\0b'])),
    'wrong sizes': each('images', put(width=[1, 0, -5, 'a', None, 10**9], height=[1, 0, 7, 10**9])),
    'unannotated images': lambda data, rng: data['annotations'].__delitem__(slice(3, None)),
    'boxes on one image': each('annotations', put(image_id=[0]))}
TEXTS = {'not JSON': lambda text: text[:-20], 'empty': lambda text: '', 'a list': lambda text: '[]', 'a number': lambda text: '3',
         'null': lambda text: 'null', 'XML': lambda text: '<annotation></annotation>', 'an empty dict': lambda text: '{}',
         'with a byte order mark': lambda text: '\ufeff' + text, 'twice': lambda text: text + text}


@damage('annotation')
@damage('annotation')
@damage('annotation')
def broken_annotations(case):
    file = case.folder / f'annotations/{case.rng.choice(SPLITS if case.tool in ("train", "distill") else SPLITS[1:])}.json'
    kind = case.rng.choice([*ANNOTATIONS] * 3 + [*TEXTS])
    case.name(file.name, 'annotation')
    if kind in TEXTS:
        file.write_text(TEXTS[kind](file.read_text()))
    else:
        data = json.loads(file.read_text())
        ANNOTATIONS[kind](data, case.rng)
        file.write_text(json.dumps(data))
    return f'{file.name}: {kind}'


@damage('annotation')
def good_names(case):
    """Names of files that are unusual, and right."""
    file = case.folder / 'annotations/train.json'
    data = json.loads(file.read_text())
    for number, image in enumerate(data['images']):
        old = case.folder / 'train' / image['file_name']
        new = old.with_name(case.rng.choice(['ü 图 {}.jpg', '{}', "it's {} [a].JPG", '{}.png']).format(number))
        old.rename(new)
        image['file_name'] = str(new) if case.rng.random() < 0.5 else new.name
    file.write_text(json.dumps(data))
    return 'train.json: unusual names of files'
