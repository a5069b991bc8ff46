"""Damage configs, command lines, checkpoints, images and annotations, and see whether the tools say what is wrong.

    OMP_NUM_THREADS=1 python tests/stress/fuzz.py --cases 300
    OMP_NUM_THREADS=1 python tests/stress/fuzz.py --only 17        # this case alone, with all that it prints

Every case must end in success or in one message. A fault is a traceback, a hang, a crash, an end without a message,
or a checkpoint whose code was run. Internal errors that name neither the setting nor the file that was damaged are
listed as poor; that is a guess, and no fault. A case depends on the seed and on its number alone. Ends with 1 if
there is a fault.
"""

import argparse
import collections
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import torch
from case import EXECUTED, ROOT, Case
from damages import draw
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

import mmfmkt  # noqa: F401 (registers everything; imported once, before the cases are forked)
from mmfmkt.lab.demo.digit_scenes import SPLITS, make_split

CONFIG = """
_base_ = '{root}/configs/demo/fmkt-theta.py'
model = dict(
    architecture=dict(backbone=dict(base_channels=8), neck=dict(in_channels=[8, 16, 32, 64])), teacher='teacher.py',
    teacher_ckpt='teacher.pth', weight_schedule=dict(warm_up_iters=5))
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
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
# variables that nobody reads; damage to them would be none
UNUSED = (
    'conv_flow',
    'light_flow',
    'light_head_flow',
    'flow',
    'distiller',
    'teacher',
    'data_root',
    'metainfo',
    'image_size',
    'pipeline',
    'train_pipeline',
    'test_pipeline',
    'max_epochs',
)
LIMIT, MEMORY = 60, 6 << 30  # seconds and bytes, of address space, of a case
HINT = re.compile(r'\(--debug shows where this was found\)|\(the traceback is in |^\S+\.py: error: ', re.MULTILINE)
TRACEBACK = 'Traceback (most recent call last)'
INTERNAL = re.compile(
    r'(Assertion|Attribute|Index|JSONDecode|Key|Memory|Name|NotImplemented|OS|Overflow|Recursion|Runtime|'
    r'Type|UnboundLocal|Unicode\w*|Value|ZeroDivision)?[eE]rror\b'
)


def start(case):
    """Fork a process, the first of a group, that runs the tool; return its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        os.chdir(case.folder)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for number, name in ((0, os.devnull), (1, 'stdout'), (2, 'stderr')):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
        case.run()
        code = 0
    except SystemExit as stop:
        code = 1 if isinstance(stop.code, str) else stop.code or 0
        if isinstance(stop.code, str):  # as Python does
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(child, begin):
    """The exit code of a process that has ended, None for one that took too long, or ... for one that still runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    if not pid and time.monotonic() - begin < LIMIT:
        return ...
    try:
        os.killpg(child, signal.SIGKILL)  # or what is left of the group
    except ProcessLookupError:
        pass
    return os.waitstatus_to_exitcode(status) if pid else os.waitpid(child, 0) and None


def judge(case, code):
    """The verdict about a case that has ended, and its message."""
    stdout, stderr = ((case.folder / name).read_text(errors='replace').strip() for name in ('stdout', 'stderr'))
    hints = list(HINT.finditer(stderr))
    if (case.folder / EXECUTED).exists():
        return 'executed code', stderr
    if code is None:
        return 'hang', stderr or stdout[-300:]
    if TRACEBACK in stdout + stderr:
        return 'traceback', (stderr if TRACEBACK in stderr else stdout)[-300:]
    if code < 0:
        return 'crash', f'signal {-code} {stderr}'
    if code == 0:
        return 'success', ''
    if code > 2 or len(hints) != 1:
        return 'no message', f'exit code {code} {stderr or stdout[-300:]}'
    text = stderr[: hints[0].start()].partition(':')[2].strip().lower()
    named = any(word in text for word in (' must ', ' could not be read', ' cannot be distilled', *case.words))
    poor = INTERNAL.match(stderr) and (len(text) < 25 or not named)
    return ('poor' if poor else 'error'), stderr


def undamaged(folder, whole, config, tool):
    """The case of a tool without any damage, which must end in success."""
    case = Case(folder / tool, whole, config, random.Random(0), tool)
    child, begin, code = start(case), time.monotonic(), ...
    while code is ...:
        time.sleep(0.01)
        code = finish(child, begin)
    verdict, text = judge(case, code)
    assert verdict == 'success', f'{tool} failed without any damage: {verdict} {text}'
    return case


def prepare(folder):
    """Data, a teacher, a student, and the config of their distillation."""
    whole, file = folder / 'whole', folder / 'config.py'
    for split, num_images in zip(SPLITS, (8, 4)):
        list(make_split(whole, split, num_images, seed=0))
    teacher = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py')
    teacher.dump(whole / 'teacher.py')
    torch.save(
        dict(state_dict=DETECTORS.build(dict(teacher.model, _scope_='mmdet')).state_dict()), whole / 'teacher.pth'
    )
    file.write_text(CONFIG.format(root=ROOT))
    config = {key: value for key, value in Config.fromfile(file).to_dict().items() if key not in UNUSED}
    shutil.copy(undamaged(folder, whole, config, 'train').folder / 'work_dir/epoch_1.pth', whole / 'student.pth')
    for tool in ('distill', 'test', 'export_student'):
        undamaged(folder, whole, config, tool)
    return whole, config


def fuzz(folder, numbers, seed, jobs, show):
    """Run the cases; return the number of faults."""
    (whole, config), waiting, running, found = prepare(folder), list(numbers), [], collections.defaultdict(list)
    while waiting or running:
        if waiting and len(running) < jobs:
            number = waiting.pop(0)
            case, done = draw(folder, number, seed, whole, config)
            running.append((number, case, done, start(case), time.monotonic()))
        time.sleep(0.01)
        for entry in list(running):
            number, case, done, child, begin = entry
            code = finish(child, begin)
            if code is not ...:
                running.remove(entry)
                verdict, text = judge(case, code)
                found[verdict].append((number, done, text))
                seconds, line = time.monotonic() - begin, ' '.join(text.split())[:150]
                print(f'{number:4} {verdict:10} {seconds:4.1f} s  {done}  |  {line}', flush=True)
                if show:
                    print(
                        *((case.folder / name).read_text(errors='replace') for name in ('stdout', 'stderr')), sep='\n'
                    )
                shutil.rmtree(case.folder)
    faults = [
        (verdict, *each) for verdict in found if verdict not in ('success', 'error', 'poor') for each in found[verdict]
    ]
    for verdict, number, done, text in [*faults, *(('poor', *each) for each in found['poor'])]:
        print(f'\n{verdict}: --seed {seed} --only {number}: {done}\n{text}')
    print('\n' + '\n'.join(f'{verdict:14}{len(cases):5}' for verdict, cases in sorted(found.items()) if cases))
    return len(faults)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cases', type=int, default=300, help='how many')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=1, help='how many at a time')
    parser.add_argument('--only', type=int, metavar='N', help='the case N alone, with all that it prints')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    with tempfile.TemporaryDirectory() as folder:
        numbers = range(args.cases) if args.only is None else [args.only]
        sys.exit(fuzz(Path(folder), numbers, args.seed, args.jobs, args.only is not None) > 0)
