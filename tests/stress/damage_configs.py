"""Wrong settings, and configs that cannot be read."""

import copy

from case import damage


class Code(str):
    """Python code, as it stands in a config."""

    __repr__ = str.__str__


def part(name, **settings):
    return dict(type=name, **settings)


NAN, INF = Code("float('nan')"), Code("float('inf')")
VALUES = (None, -1, 0, 10**6, 1.5, 'nonsense', '', [], {}, [1, 'a'], True, NAN, INF, ..., ...)  # ...: a missing key
TYPES = ('Nowhere', 'mmrazor.Nowhere', 'mmdet.ResNet', 'a.b', 'torch.save', 'VOCDataset')
# where a huge number is no mistake: a long run, or more processes than a machine should have
LONG = {'max_epochs', 'num_workers', 'stacked_convs', 'num_outs', 'num_steps', 'scales_per_octave'}


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
