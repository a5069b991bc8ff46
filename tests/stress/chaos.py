"""Kill a distillation at random moments, damage its folder, go on, and compare with the run that was left in peace.

    OMP_NUM_THREADS=1 python tests/stress/chaos.py --kills 20

A disturbance is SIGKILL at any time, SIGKILL while a checkpoint is being written, or SIGTERM, to the whole process
group as schedulers do; after it, the newest checkpoint or MMEngine's pointer to it may be damaged. In the end
weights, averaged weights, optimizer, schedules and the logged losses must be equal to the last bit, and no checkpoint
may ever be unreadable that was not damaged on purpose. Ends with 1 otherwise.
"""

import argparse
import os
import random
import runpy
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

import mmfmkt  # noqa: F401 (registers everything; imported once, before the runs are forked)
from mmfmkt.lab.demo.digit_scenes import SPLITS, make_split

ROOT = Path(__file__).parents[2]
CONFIG = """
_base_ = '{root}/configs/demo/fmkt-theta.py'
model = dict(
    architecture=dict(backbone=dict(base_channels=8), neck=dict(in_channels=[8, 16, 32, 64])),
    teacher='{folder}/teacher.py', teacher_ckpt='{folder}/teacher.pth',
    weight_schedule=dict(warm_up_iters=5),
    distiller=dict(connectors=dict(flow=dict(flow=dict(num_steps=[1, 2, 3]))),
                   distill_losses=dict(loss_fmkt=dict(keep_pairs=0.5))))
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True), dict(type='Resize', scale=(64, 64)),
    dict(type='RandomFlip', prob=0.5), dict(type='PhotoMetricDistortion'), dict(type='PackDetInputs')]
train_dataloader = dict(batch_size=4, num_workers=2, dataset=dict(data_root='{folder}/', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root='{folder}/'))
val_evaluator = dict(ann_file='{folder}/annotations/val.json')
train_cfg = dict(max_epochs=3, val_interval=1)
custom_hooks = [dict(type='EMAHook')]
default_hooks = dict(checkpoint={checkpoint}, logger=dict(interval=1))
randomness = dict(seed=0)
"""
# every epoch, keeping one; in the middle of epochs, keeping two
CHECKPOINTS = dict(
    epochs=dict(interval=1, max_keep_ckpts=1), iterations=dict(interval=4, by_epoch=False, max_keep_ckpts=2)
)
COMPARED = ('state_dict', 'distiller', 'ema_state_dict', 'optimizer', 'param_schedulers')
FINISHED, LIMIT = 'finished', 300  # seconds that a run may take


def prepare(folder):
    """Data, a teacher, and a config for every way to save: name -> file."""
    for split, num_images in zip(SPLITS, (24, 4)):
        list(make_split(folder, split, num_images, seed=0))
    teacher = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py')
    teacher.dump(folder / 'teacher.py')
    torch.manual_seed(1)
    torch.save(DETECTORS.build(dict(teacher.model, _scope_='mmdet')).state_dict(), folder / 'teacher.pth')
    files = {name: folder / f'{name}.py' for name in CHECKPOINTS}
    for name, file in files.items():
        file.write_text(CONFIG.format(root=ROOT, folder=folder, checkpoint=CHECKPOINTS[name]))
    return files


def start(config, work_dir):
    """Fork a process, the first of a group, that goes on with a run; return its number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    work_dir.mkdir(exist_ok=True)
    with open(work_dir / 'console.log', 'a') as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv = ['train.py', str(config), '--work-dir', str(work_dir), '--resume', '--debug']
    code = 1
    try:
        runpy.run_path(str(ROOT / 'tools/train.py'), run_name='__main__')
        (work_dir / FINISHED).touch()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 1)


def wait(child, until):
    """Wait until a time, or until a condition; return how the process ended, or None if it still runs."""
    begin = time.monotonic()
    while not until(time.monotonic() - begin):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return None


def finish(child):
    code = wait(child, lambda seconds: seconds > LIMIT)
    if code is None:
        os.killpg(child, signal.SIGKILL)
        raise TimeoutError(f'a run did not end within {LIMIT} s')
    return code


def disturb(child, kind, work_dir, delay):
    """Disturb a run that was just started; return what was done, or None if it had ended before."""

    def is_time(seconds):
        if kind == 'write':
            return seconds > delay / 2 and any(work_dir.glob('*.pth.unfinished'))
        return seconds > delay

    code = wait(child, is_time)
    if code is not None:
        return None if code == 0 else f'failed with {code}'
    os.killpg(child, signal.SIGTERM if kind == 'term' else signal.SIGKILL)
    code = finish(child)
    try:
        os.killpg(child, signal.SIGKILL)  # what is left of the group
    except ProcessLookupError:
        pass
    if kind == 'term' and code not in (0, -signal.SIGTERM):  # the latter before training has begun
        return f'failed with {code} after SIGTERM'
    return {'term': 'SIGTERM', 'write': 'SIGKILL while writing', 'kill': 'SIGKILL'}[kind]


def readable(file):
    try:
        torch.load(file, weights_only=True, map_location='cpu')
    except Exception:
        return False
    return True


def damage(work_dir, rng, damaged):
    """Sometimes damage the newest checkpoint or the pointer, if something is left to go on from; return what was done.

    `damaged` collects names and times of files.
    """
    files = sorted(work_dir.glob('*.pth'), key=lambda file: file.stat().st_mtime)
    pointer, kind = work_dir / 'last_checkpoint', rng.choice(['nothing', 'nothing', 'pointer', 'cut', 'garbage'])
    if kind == 'pointer' and pointer.exists():
        pointer.write_text(rng.choice(['', 'nowhere.pth']))
        return ', pointer damaged'
    if kind in ('cut', 'garbage') and len(files) > 1:
        whole = files[-1].read_bytes()
        files[-1].write_bytes(
            whole[: len(whole) // 2] if kind == 'cut' else bytes(rng.randrange(256) for _ in range(1000))
        )
        damaged.add(identity(files[-1]))
        return f', {files[-1].name} damaged'
    return ''


def identity(file):
    return file.name, file.stat().st_mtime_ns


def newest(work_dir):
    return torch.load((work_dir / 'last_checkpoint').read_text(), weights_only=True, map_location='cpu')


def differences(found, expected, name=''):
    """The names of the entries in which two nested structures differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if found.keys() != expected.keys():
            return [f'{name}: other keys']
        return [each for key in expected for each in differences(found[key], expected[key], f'{name}.{key}')]
    if isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)) and len(found) == len(expected):
        return [
            each for index, pair in enumerate(zip(found, expected)) for each in differences(*pair, f'{name}.{index}')
        ]
    equal = torch.equal(found, expected) if isinstance(expected, torch.Tensor) else found == expected
    return [] if equal else [name]


def compare(found, expected):
    scalars = found['message_hub']['log_scalars'], expected['message_hub']['log_scalars']
    losses = [
        {name: value for name, value in each.items() if 'loss' in name or name == 'train/grad_norm'} for each in scalars
    ]
    return differences(*losses, 'log') + [
        each for part in COMPARED for each in differences(found[part], expected[part], part)
    ]


def chaos(folder, kills, seed):
    """Disturb runs until `kills` disturbances have been made; return the number of faults that were found."""
    rng, files, faults, done, runs = random.Random(seed), prepare(folder), 0, 0, 0
    peaceful, seconds = {}, {}
    for name, file in files.items():
        begin = time.monotonic()
        code = finish(start(file, folder / f'peaceful_{name}'))
        assert code == 0, (folder / f'peaceful_{name}' / 'console.log').read_text()[-3000:]
        peaceful[name], seconds[name] = newest(folder / f'peaceful_{name}'), time.monotonic() - begin
        print(f'{name}: undisturbed in {seconds[name]:.0f} s', flush=True)
    while done < kills:
        name = list(files)[runs % len(files)]
        work_dir, runs, damaged = folder / f'run{runs}_{name}', runs + 1, set()
        while not (work_dir / FINISHED).exists():
            child = start(files[name], work_dir)
            delay = rng.uniform(0.2, 0.9) * seconds[name] if done < kills else LIMIT
            what = disturb(child, rng.choice(['kill', 'write', 'term']) if done < kills else 'kill', work_dir, delay)
            if what is None:
                continue
            if what.startswith('failed'):
                print(f'{work_dir.name}: {what}\n{(work_dir / "console.log").read_text()[-3000:]}', flush=True)
                return faults + 1
            done += 1
            broken = [
                file.name for file in work_dir.glob('*.pth') if not readable(file) and identity(file) not in damaged
            ]
            faults += len(broken)
            if not (work_dir / FINISHED).exists():
                what += damage(work_dir, rng, damaged)
            print(f'{done:3} {work_dir.name}: {what}' + (f'; UNREADABLE {broken}' if broken else ''), flush=True)
        different = compare(newest(work_dir), peaceful[name])
        faults += len(different)
        print(f'    {work_dir.name}: finished, {len(different)} differences {different[:5] or ""}', flush=True)
    print(f'{done} disturbances of {runs} runs: {faults} faults', flush=True)
    return faults


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=20, help='how many disturbances')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(chaos(Path(folder), args.kills, args.seed) > 0)
