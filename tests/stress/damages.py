"""What can be wrong with configs, command lines, checkpoints, images and annotations: the cases of fuzz.py."""

import collections
import copy
import json
import random
import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from PIL import Image

from mmfmkt.lab.demo.digit_scenes import SPLITS

ROOT = Path(__file__).parents[2]
ARGUMENTS = dict(
    train=['config.py'],
    distill=['config.py', 'teacher.py', 'teacher.pth'],
    test=['config.py', 'student.pth'],
    export_student=['config.py', 'student.pth', 'out.pth'],
)
SHARES = dict(config=4, command=1, checkpoint=2, image=1, annotation=2)  # of the families of damages
DAMAGES = collections.defaultdict(list)  # family -> functions of a case that return what they have done
EXECUTED = 'executed'  # the file that the code in a checkpoint would write


class Code(str):
    """Python code, as it stands in a config."""

    __repr__ = str.__str__


def part(name, **settings):
    return dict(type=name, **settings)


NAN, INF = Code("float('nan')"), Code("float('inf')")
VALUES = (
    None,
    -1,
    0,
    10**6,
    1.5,
    'nonsense',
    '',
    [],
    {},
    [1, 'a'],
    True,
    NAN,
    INF,
    ...,
    ...,
)  # ... is a key that is missing
TYPES = ('Nowhere', 'mmrazor.Nowhere', 'mmdet.ResNet', 'a.b', 'torch.save', 'VOCDataset')
# where a huge number is no mistake: a long run, or more processes than a machine should have
LONG = {'max_epochs', 'num_workers', 'stacked_convs', 'num_outs', 'num_steps', 'scales_per_octave'}


class Case:
    """A folder with data, checkpoints and a config, and the command that reads them."""

    def __init__(self, folder, whole, config, rng, tool=None):
        shutil.copytree(whole, folder)
        self.folder, self.cfg, self.rng = folder, copy.deepcopy(config), rng
        self.edit, self.words = (lambda text: text), set()  # of the config file; of which a good message has one
        self.tool = tool or rng.choices(list(ARGUMENTS), [6, 2, 2, 1])[0]
        self.arguments, self.options = list(ARGUMENTS[self.tool]), []
        workers = rng.choice([0, 0, 1])
        for split in ('train', 'val', 'test'):
            self.cfg[f'{split}_dataloader'].update(num_workers=workers, persistent_workers=workers > 0)
        if self.tool == 'distill':
            self.cfg['model'] = self.cfg['model']['architecture']

    def name(self, *words):
        self.words.update(word.lower() for word in words if isinstance(word, str) and len(word) > 1 and word != 'type')

    def set(self, path, value):
        """Set what stands at a path of the config, or remove it with `...`; return what was done."""
        *parents, last = path
        node = self.cfg
        for key in parents:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        if value is ...:
            del node[last]
        else:
            node[last] = value
        self.name(*path[-2:], *(value if isinstance(value, dict) else [value]))
        return f'{".".join(map(str, path))} {"missing" if value is ... else f"= {value!r}"}'

    def run(self):
        text = ''.join(f'{key} = {value!r}\n' for key, value in self.cfg.items())
        (self.folder / 'config.py').write_bytes(self.edit(text).encode('latin-1'))
        work_dir = [] if self.tool == 'export_student' else ['--work-dir', 'work_dir']
        sys.argv = [f'{self.tool}.py', *self.arguments, *work_dir, *self.options]
        runpy.run_path(str(ROOT / f'tools/{self.tool}.py'), run_name='__main__')


def damage(family, times=1):
    """Register a damage, which is drawn so many times as often."""
    return lambda function: DAMAGES[family].extend([function] * times) or function


def walk(node, path=()):
    """The paths of everything that can be set in a config, with the value."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, key), value
        yield from walk(value, (*path, key))


@damage('config', 5)
def wrong_value(case):
    """A wrong value of any setting, or of one of the distillation; one that is missing, or one too many."""
    paths = list(walk(case.cfg))
    path, old = case.rng.choice(
        case.rng.choice([paths, [entry for entry in paths if 'distiller' in entry[0]] or paths])
    )
    if isinstance(old, dict) and case.rng.random() < 0.5:
        path += (case.rng.choice(['num_stepz', 'foo']),)
    values = TYPES if path[-1] == 'type' else [value for value in VALUES if value != 10**6 or not LONG & set(path)]
    return case.set(path, case.rng.choice(values))


LOAD, LIGHT, RECORDED = (
    part('LoadImageFromFile'),
    part('mmrazor.LightMetaEncoder'),
    dict(from_student=True, recorder='pyramid'),
)
NARROW = part('mmrazor.ConvModuleConnector', in_channel=64, out_channel=8)
# place in the config -> setting -> values that are wrong in another way than by their type; some are right
WRONG = {
    'model.distiller.connectors.flow.flow': dict(
        levels=[(0, 7), (0, 0), (0.5,)],
        num_steps=[1.5, '4', [1, 0], [[1]]],
        inference_steps=[0, 'a'],
        meta_encoder=[
            part('FPN'),
            LIGHT,
            dict(LIGHT, channels=7),
            dict(LIGHT, channels=-64),
            [dict(LIGHT, channels=64)],
        ],
        solver=['Heun'],
        schedule=['VPODE', part('mmrazor.VPODE', beta=3)],
    ),
    'model.distiller.distill_losses.loss_fmkt': dict(
        metric=[part('mmdet.MSELoss', foo=1), part('mmdet.FocalLoss'), part('mmrazor.FMKTLoss')],
        keep_pairs=[2, 'a'],
        loss_weight=[[1, 2], 1e30],
        transform=[[None], NARROW],
        teacher_levels=[(0,), (0, 1, 9), (-1, 0, 1), 3],
    ),
    'model.distiller.loss_forward_mappings.loss_fmkt': dict(
        trajectories=[dict(RECORDED, recorder='nowhere'), RECORDED],
        teacher_features=[RECORDED, dict(RECORDED, data_idx=9)],
    ),
    'model.distiller.student_recorders.pyramid': dict(source=['neck.nowhere', 'backbone', 'bbox_head.retina_cls']),
    'model.distiller.teacher_recorders.pyramid': dict(source=['nek', 'backbone.conv1', 'backbone', 'bbox_head']),
    'model': dict(
        weight_schedule=[{key: value} for key in ('foo', 'warm_up_iters', 'stop_epoch') for value in (-1, 'a')],
        inherit=['necks', ['neck', 'tail'], 'head'],
        log_only=['loss_nowhere', 3],
        teacher=[
            'nowhere.py',
            'mmdet::a.py',
            'annotations',
            'config.py',
            part('ResNet'),
            'mmdet::rpn/rpn_r50_fpn_1x_coco.py',
        ],
        teacher_ckpt=[
            'nowhere.pth',
            'annotations',
            'teacher.py',
            'http://127.0.0.1:9/a.pth',
            'torchvision://a',
            'student.pth',
        ],
        architecture=[part('ResNet', depth=18), 'config.py', part('mmrazor.FMKTDistill')],
        type=['mmrazor.FMKTPair'],
    ),
    'optim_wrapper': dict(
        optimizer=[part('AdamW', lr=-1), part('AdamW', lr=1e30), part('SGD', lr=1, betas=3)],
        accumulative_counts=[0, 'a', 9],
        paramwise_cfg=[3, dict(custom_keys=dict(neck=3))],
        constructor=['LearningRateDecayOptimizerConstructor'],
    ),
    'train_dataloader': dict(
        sampler=[part('ClassAwareSampler', num_sample_class=0)],
        batch_sampler=[part('AspectRatioBatchSampler'), 3],
        collate_fn=[part('nowhere'), part('default_collate')],
    ),
    'train_dataloader.dataset': dict(
        type=['VOCDataset', 'RepeatDataset', 'ConcatDataset', 'CocoMetric'],
        indices=[0, [99]],
        metainfo=[dict(classes=('cat', 'dog')), dict(classes='0123')],
        backend_args=[dict(backend='nowhere')],
        pipeline=[['LoadImageFromFile'], [LOAD, part('PackDetInputs')]],
    ),
    '': dict(
        param_scheduler=[[part('LinearLR', start_factor=-1)], [part('MultiStepLR')]],
        default_scope=['nowhere', 'mmrazor'],
        custom_hooks=[[3], [part('EMAHook', momentum=7)], part('EMAHook'), [part('EarlyStoppingHook', monitor='a')]],
        val_evaluator=[
            part('CocoMetric', metric='accuracy'),
            part('VOCMetric'),
            part('CocoMetric', ann_file='nowhere.json'),
        ],
        train_cfg=[dict(by_epoch=True), dict(by_epoch=False, max_iters=0)],
        launcher=['pytorch'],
        work_dir=['config.py'],
        load_from=['nowhere.pth', 'annotations', 'config.py', 's3://bucket/a.pth'],
        randomness=[dict(seed='a'), dict(seed=-1)],
        env_cfg=[dict(mp_cfg=dict(mp_start_method='a')), {}],
        custom_imports=[dict(imports=['nowhere']), dict(imports=3)],
    ),
    'default_hooks': dict(
        checkpoint=[part('CheckpointHook', interval='a'), part('CheckpointHook', out_dir='config.py')]
    ),
}
SHORT = dict(
    method=['fmkt', 'ofmkt', 'pkd', 'crosskd', 'student', 'logit', None, ['fmkt']],
    flow=[3, dict(foo=1), dict(levels=(9,)), dict(num_steps=0)],
    foo=[1],
    loss=[3, dict(foo=1), dict(metric=3), part('Nowhere')],
    distiller=[3, dict(foo=1), dict(connectors=dict(flow=None))],
    teacher=['nowhere.py', None, 3, {}],
    teacher_ckpt=[None, 'nowhere.pth', 3],
    task_weight=['a'],
    architecture=[3, {}, None],
)


@damage('config', 5)
def wrong_setting(case):
    places = [place for place in WRONG if case.tool != 'distill' or not place.startswith('model')]
    place, key = case.rng.choice([(place, key) for place in places for key in WRONG[place]])
    return case.set((*filter(None, place.split('.')), key), copy.deepcopy(case.rng.choice(WRONG[place][key])))


@damage('config')
def wrong_short_setting(case):
    if case.tool == 'distill':
        return 'nothing'
    model, key = case.cfg['model'], case.rng.choice(list(SHORT))
    case.cfg['model'] = {
        'type': 'mmrazor.FMKTPair',
        **{key: model[key] for key in ('architecture', 'teacher', 'teacher_ckpt')},
    }
    return case.set(('model', key), case.rng.choice(SHORT[key]))


@damage('config')
def broken_config(case):
    kind = case.rng.choice(
        [
            "_base_ = 'nowhere.py'\n{}",
            "_base_ = 'config.py'\n{}",
            '{}\nmodel = detector',
            '{}\nx = (1,',
            '',
            'import nowhere\n{}',
            '{}\n\0',
            '{}\nx = 1 / 0',
            '{}\n  x = 1',
            '{}\nx = "\xff"',
            '_base_ = 3\n{}',
            'x = dict(a=1)',
            "_base_ = ['a::b.py']\n{}",
            'half',
        ]
    )
    case.edit = lambda text: text[: len(text) // 2] if kind == 'half' else kind.replace('{}', text)
    case.name('config')
    return f'config.py: {kind!r}'


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


class Evil:
    """An object that writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), 'w')


def other_detector(old, rng):
    model = Config.fromfile(ROOT / 'configs/demo/retinanet_r34.py').model
    return DETECTORS.build(dict(model, _scope_='mmdet')).state_dict()


BYTES = dict(
    empty=lambda old, rng: b'',
    cut=lambda old, rng: old[: rng.randrange(len(old))],
    random=lambda old, rng: rng.randbytes(1000),
    text=lambda old, rng: b'version https://git-lfs.github.com/spec/v1\n' * 9,
    json=lambda old, rng: b'{"state_dict": {}}',
    flipped=lambda old, rng: old[:500] + rng.randbytes(300) + old[800:],
)
WEIGHTS = dict(
    other_detector=other_detector,
    nan=lambda old, rng: {key: value * float('nan') for key, value in old.items()},
    missing=lambda old, rng: {key: value for key, value in old.items() if rng.random() < 0.9},
    extra=lambda old, rng: {**old, 'foo.weight': torch.zeros(3)},
    shapes=lambda old, rng: {key: value[None] if rng.random() < 0.1 else value for key, value in old.items()},
    none=lambda old, rng: rng.choice([{}, [], None, 'weights', {'a': 1}, {3: torch.zeros(1)}]),
)
ENTRIES = ('meta', 'optimizer', 'param_schedulers', 'message_hub', 'distiller')


@damage('checkpoint')
def broken_checkpoint(case):
    """A checkpoint that the tool reads."""
    options = [('teacher.pth', [])]
    if case.tool == 'train':
        options += [
            ('student.pth', ['--resume', 'student.pth', '--cfg-options', 'train_cfg.max_epochs=2']),
            ('student.pth', ['--cfg-options', 'load_from=student.pth']),
        ]
    elif case.tool != 'distill':
        options = [('student.pth', [])]
    (name, option), kind = (
        case.rng.choice(options),
        case.rng.choice([*BYTES, *WEIGHTS, 'code', 'entry', 'entry', 'directory']),
    )
    case.options += option
    case.name(name, 'checkpoint')
    file, old = case.folder / name, (case.folder / name).read_bytes()
    content = torch.load(file, weights_only=True)
    file.unlink()
    if kind in BYTES:
        file.write_bytes(BYTES[kind](old, case.rng))
    elif kind == 'directory':
        file.mkdir()
    elif kind in WEIGHTS:
        torch.save({**content, 'state_dict': WEIGHTS[kind](content['state_dict'], case.rng)}, file)
    else:
        entry, value = case.rng.choice(ENTRIES), case.rng.choice([None, 3, 'nonsense', [], {}, {'a': 1}])
        torch.save({**content, entry: Evil(case.folder / EXECUTED) if kind == 'code' else value}, file)
        kind = f'{entry}: {kind if kind == "code" else value!r}'
    return f'{name} {" ".join(option)}: {kind}'


IMAGES = {
    **{
        f'{width}x{height}': lambda image, size=(width, height): image.resize(size)
        for width, height in ((1, 1), (1, 100), (100, 1), (4000, 8), (8, 4000), (1500, 1500))
    },
    **{mode: lambda image, mode=mode: image.convert(mode) for mode in ('L', 'RGBA', 'CMYK', 'P', '1', 'LA')},
    '16 bit': lambda image: Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 257),
}


@damage('image')
def broken_images(case):
    """One image of a data set, or all of them."""
    files = sorted((case.folder / case.rng.choice(SPLITS)).iterdir())
    files = case.rng.choice([files, [case.rng.choice(files)]])
    kind = case.rng.choice([*IMAGES, 'missing', 'directory', 'empty', 'cut', 'random', 'text'])
    for file in files:
        case.name(file.name)
        if kind in BYTES:
            file.write_bytes(BYTES[kind](file.read_bytes(), case.rng))
        elif kind in IMAGES:
            IMAGES[kind](Image.open(file)).save(file, format='JPEG' if kind in ('CMYK', 'L', '1x1') else 'PNG')
        else:
            file.unlink()
            if kind == 'directory':
                file.mkdir()
    return f'{len(files)} of {files[0].parent.name}: {kind}'


BOXES = [
    [500, 500, 20, 20],
    [-90, -90, 20, 20],
    [5, 5, -10, 10],
    [5, 5, 0, 0],
    [float('nan')] * 4,
    [5, 5, float('inf'), 9],
    [1, 2, 3],
    [1, 2, 3, 4, 5],
    ['1', '2', '3', '4'],
    'box',
    [0, 0, 1e30, 1e30],
    [0, 0, 10**9, 10**9],
    None,
    [],
    {},
    [[1, 2], [3, 4]],
    [5, 5, 1e-9, 1e-9],
]
NAMES = ['nowhere.jpg', 'ü 图.jpg', '/nowhere/a.jpg', '../../a.jpg', '', None, 3, '.', 'a\0b']
SIZES = [1, 0, -5, 'a', None, 10**9]
ITEMS = dict(
    annotations=dict(
        bbox=BOXES,
        category_id=[77, -1, 'cat', None],
        image_id=[99, 0, 'a'],
        id=[1, 0, 'a'],
        area=['big', None, -1],
        iscrowd=[1, 'no', None],
    ),
    images=dict(id=[1, 'a', None, 3.5], file_name=NAMES, width=SIZES, height=SIZES),
    categories=dict(name=['cat', 1, None], id=[1, 'a', None]),
)
TEXTS = {
    'cut': lambda text: text[:-20],
    'byte order mark': lambda text: '\ufeff' + text,
    'twice': lambda text: text * 2,
    **{text: lambda old, text=text: text for text in ('', '[]', '3', 'null', '<annotation></annotation>', '{}')},
}


def broken_file(case):
    """The annotations of a data set: file, content, and a group of their items."""
    file = (
        case.folder / f'annotations/{case.rng.choice(SPLITS if case.tool in ("train", "distill") else SPLITS[1:])}.json'
    )
    case.name(file.name, 'annotation', '.jpg')
    return file, json.loads(file.read_text()), case.rng.choice([*ITEMS, 'annotations'])


@damage('annotation', 5)
def wrong_items(case):
    """A value in all items of a group, or in some; or the group itself."""
    file, data, group = broken_file(case)
    key, share = case.rng.choice([*ITEMS[group], None]), case.rng.choice([1, 0.2])
    value = case.rng.choice([*(ITEMS[group][key] if key else [[], None, {}, 'nonsense', [3], data[group] * 2]), ...])
    for item, place in ((item, key) for item in data[group]) if key else [(data, group)]:
        if key is None or case.rng.random() < share:
            item.pop(place) if value is ... else item.update({place: value})
    file.write_text(json.dumps(data))
    place = f'{key} of {share:.0%} of the {group}' if key else group
    return f'{file.name}: {place} {"missing" if value is ... else f"= {repr(value)[:40]}"}'


@damage('annotation')
def wrong_text(case):
    (file, data, _), kind = broken_file(case), case.rng.choice(list(TEXTS))
    file.write_text(TEXTS[kind](json.dumps(data)))
    return f'{file.name}: {kind!r}'


@damage('annotation')
def unusual_names(case):
    """Names of image files that are unusual, and right."""
    file, data, _ = broken_file(case)
    for number, image in enumerate(data['images']):
        old = case.folder / file.stem / image['file_name']
        new = old.rename(
            old.with_name(case.rng.choice(['ü 图 {}.jpg', '{}', "it's {} [a].JPG", '{}.png']).format(number))
        )
        image['file_name'] = str(case.rng.choice([new, new.name]))
    file.write_text(json.dumps(data))
    return f'{file.name}: unusual names of files'


def draw(folder, number, seed, whole, config):
    """A case, damaged once or twice, and what was done."""
    rng = random.Random(f'{seed}/{number}')
    case = Case(folder / f'case{number}', whole, config, rng)
    families, done = rng.choices(list(SHARES), list(SHARES.values()), k=1 + (rng.random() < 0.2)), []
    for family in families:
        try:
            done.append(rng.choice(DAMAGES[family])(case))
        except Exception:  # the first damage has left nothing for it
            done.append('nothing')
    return case, f'{case.tool}: {" + ".join(done)}'
