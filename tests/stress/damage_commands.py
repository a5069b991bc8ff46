"""Wrong command lines."""

import re

from case import ARGUMENTS, damage

OPTIONS = (
    'model',
    'model=',
    '=3',
    'x=[1',
    'x=(1,2',
    'train_cfg=3',
    'model.foo=1',
    'model.bbox_head.foo=1',
    'a.b.c=1',
    '..=',
    'train_dataloader.batch_size=a',
    'optim_wrapper.optimizer.lr=[1,',
    'param_scheduler.9.end=1',
    'custom_hooks.3=1',
    'train_dataloader.dataset.pipeline.a=1',
    'model.type=Nowhere',
    'train_cfg.max_epochs=None',
    'work_dir.a=1',
)
PLACES = (
    'nowhere.py',
    'nowhere.pth',
    'annotations',
    '',
    'teacher.pth',
    'config.py',
    'train/000000.jpg',
    '--',
    None,
    'annotations/train.json',
    'mmdet::nowhere.py',
    'nowhere::a.py',
    'http://127.0.0.1:9/a.pth',
    '/proc/a/b.pth',
)
TRAINING = (
    '--resume nowhere.pth',
    '--resume annotations',
    '--resume teacher.pth',
    '--resume config.py',
    '--resume',
    '--amp',
    '--auto-scale-lr',
    '--launcher pytorch',
    '--launcher slurm',
    '--launcher mpi',
    '--work-dir config.py',
    '--work-dir /proc/a',
    '--local_rank a',
    '--foo',
)
FLAGS = dict(
    train=TRAINING,
    export_student=('--ema', '--live', '--ema --live', '--foo'),
    distill=(
        *TRAINING,
        '--method a',
        '--method fmkt',
        '--method ofmkt --inherit neck',
        '--inherit tail',
        '--save a.txt',
        '--inherit neck head',
        '--save annotations',
        '--save /proc/a.py',
        '--save config.py/a.py',
        '--evaluate-teacher',
    ),
    test=(
        '--out a.txt',
        '--out nowhere/a.pkl',
        '--out config.py',
        '--out /proc/a.pkl',
        '--num-steps 0',
        '--num-steps 2',
        '--num-steps a',
        '--show',
        '--show-dir shown',
        '--show-dir config.py',
        '--work-dir config.py',
        '--tta',
    ),
)


@damage('command')
def wrong_option(case):
    options = [f'--cfg-options {option}' for option in OPTIONS if case.tool != 'export_student']
    flag = case.rng.choice([*FLAGS[case.tool], *options])
    case.options += flag.split(' ')
    case.name(*re.split('[ .=]', flag))
    return flag


@damage('command')
def wrong_argument(case):
    index, place = case.rng.randrange(len(case.arguments)), case.rng.choice(PLACES)
    case.name(place, ARGUMENTS[case.tool][index])
    case.arguments[index : index + 1] = [] if place is None else [place]
    return f'argument {index}: {place!r}'
