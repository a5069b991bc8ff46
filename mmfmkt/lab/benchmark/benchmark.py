"""Seconds and memory of distillation, on synthetic images."""

from __future__ import annotations

import argparse
import os
import tempfile
from datetime import date
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from mmfmkt.common.config_files import read_config
from mmfmkt.engine.mixed_precision import enable_amp
from mmfmkt.lab.zoo import read_pairs
from mmfmkt.models.teacher.further_teachers import listed_teachers
from mmfmkt.pairing.short_form import CLIP_GRAD

from .cases import Case, make_cases
from .report import draw_chart, inference_table, slopes, to_json, training_table
from .rounds import run_cases
from .synthetic import make_teacher, without_pretrained
from .worker import Setting

SHAPES = dict(cpu=(320, 512), cuda=(800, 1333))


def run_benchmark(args: argparse.Namespace) -> None:
    """Measure what the command line says, print it, and write tables, figures and a chart to `args.out`.

    Raises:
        FileNotFoundError: if a config is not there.
        ValueError: if a config cannot be read, or if a device, a method, an encoder or a number of steps is none.
    """
    if args.device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''  # mixed precision, too, asks whether there is a GPU
    args.device = numbered(args.device, torch.cuda.device_count())
    args.shape = args.shape or SHAPES[args.device.split(':')[0]]
    init_default_scope('mmdet')
    MMLogger.get_instance('benchmark', log_level='ERROR')  # what MMEngine initialises is no news
    pairs = [(Path(name).stem, read_pair(name)) for name in args.config]
    for _, cfg in pairs:
        cfg.merge_from_dict(args.cfg_options)
    cases = [
        make_cases(without_pretrained(cfg.model.to_dict()), title, args.methods, args.deployed) for title, cfg in pairs
    ]
    for (title, cfg), of_pair in zip(pairs, cases):
        with tempfile.TemporaryDirectory() as folder:
            measure(title, cfg, with_teacher(of_pair, Path(folder) / 'teacher.pth'), args)


def numbered(device: str | None, num_gpus: int) -> str:
    """A device as 'cpu' or 'cuda:N'; None is a GPU if there is one, 'cuda' the first.

    Raises:
        ValueError: if there is none of that name.
    """
    devices = {
        'cpu': 'cpu',
        **({'cuda': 'cuda:0'} if num_gpus else {}),
        **{f'cuda:{n}': f'cuda:{n}' for n in range(num_gpus)},
    }
    name = device or ('cuda' if num_gpus else 'cpu')
    if name not in devices:
        raise ValueError(f'--device must be one of this machine, {", ".join(devices)}, but got {device}')
    return devices[name]


def read_pair(name: str) -> Config:
    """A config, or a pair of the zoo by its name.

    Raises:
        FileNotFoundError: if there is neither.
    """
    pairs = {pair.name: pair.file for pair in read_pairs()}
    if name not in pairs and '::' not in name and not Path(name).exists():
        raise FileNotFoundError(
            f'what is timed must be a config or one of the pairs {", ".join(pairs)}, but got {name}'
        )
    return read_config(str(pairs.get(name, name)), 'the config')


def with_teacher(cases: list[Case], file: Path) -> list[Case]:
    """The cases with a teacher of random weights, which stand in a file, or with several, each in its own."""
    config = next((case.config for case in cases if 'teacher' in case.config), None)
    if config is None:
        return cases
    if isinstance(config['teacher'], (list, tuple)):
        teacher = dict(
            teacher=[
                dict(each, **make_teacher(each['teacher'], file.with_stem(f'{file.stem}_{number}')))
                for number, each in enumerate(listed_teachers(config['teacher'], config.get('teacher_ckpt')))
            ]
        )
    else:
        teacher = make_teacher(config['teacher'], file)
    return [
        Case(case.name, {**case.config, **teacher} if 'teacher' in case.config else case.config, case.trains)
        for case in cases
    ]


def measure(title: str, cfg: Config, cases: list[Case], args: argparse.Namespace) -> None:
    folder = Path(args.out) / title
    folder.mkdir(parents=True, exist_ok=True)
    cfg.optim_wrapper.setdefault('clip_grad', CLIP_GRAD)
    if args.amp:
        enable_amp(cfg)
    setting = Setting(
        args.device, args.batch, tuple(args.shape), cfg.optim_wrapper.to_dict(), str(folder), torch.get_num_threads()
    )
    about = describe(args)
    print(f'{title}, {about}', flush=True)
    training, inference = (
        run_cases(group, setting, rounds, args.at_once, lambda text: print(f'  {text}', flush=True)) if group else []
        for group, rounds in (
            ([case for case in cases if case.trains], args.rounds),
            ([case for case in cases if not case.trains], 4 * args.rounds),
        )
    )
    text = [f'{title}, {about}']
    if training:
        text += [training_table(training, args.amp), *slopes(training)]
        draw_chart(training, f'{title}: an iteration of the training', folder / 'training.png')
    if inference:
        text += [inference_table(inference), *slopes(inference)]
        draw_chart(inference, f'{title}: a prediction', folder / 'inference.png')
    print('\n' + '\n\n'.join(text))
    (folder / 'benchmark.md').write_text('\n\n'.join(text) + '\n')
    (folder / 'benchmark.json').write_text(to_json([*training, *inference], dict(title=title, about=about)))
    print(f'\ntables, figures and charts are in {folder}')


def describe(args: argparse.Namespace) -> str:
    """What the figures depend on, in a line."""
    if args.device.startswith('cuda'):
        machine = torch.cuda.get_device_name(args.device)
    else:
        name = next(
            (
                line.split(':')[1].strip()
                for line in Path('/proc/cpuinfo').read_text().splitlines()
                if line.startswith('model name')
            ),
            'CPU',
        )
        machine = f'{name}, {torch.get_num_threads()} threads'
    precision = 'training in mixed precision, predictions in float32' if args.amp else 'float32'
    return (
        f'{machine}, {args.batch} images of {args.shape[0]}x{args.shape[1]}, '
        f'{precision}, {args.rounds} rounds, torch {torch.__version__}, {date.today()}'
        + ''.join(f', {key}={value}' for key, value in args.cfg_options.items())
    )
