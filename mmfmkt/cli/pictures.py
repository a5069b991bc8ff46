"""From a config and a checkpoint of a distillation to pictures of its flow."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

import cv2
import torch
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmrazor.registry import MODELS

from mmfmkt.common.checkpoints import load_exactly, read_checkpoint
from mmfmkt.common.config_files import type_name
from mmfmkt.common.datasets import DataSet
from mmfmkt.common.progress import with_progress
from mmfmkt.engine.loading.sample_errors import name_samples
from mmfmkt.models import FMKTDistill
from mmfmkt.models.flows.pyramid_flow import find_flows
from mmfmkt.pairing.auxiliary_head import NAME, WEIGHTS
from mmfmkt.pairing.short_form import write_out
from mmfmkt.visualization import (
    Errors,
    Objects,
    Photo,
    collate,
    detections_figure,
    draw_errors,
    draw_projection,
    draw_sheet,
    find_flow_loss,
    in_batches,
    paths_through,
    photo_from,
    photo_of_file,
    save,
)

from .arguments import read_with_method
from .preflight import check_data, check_kinds, check_teacher_classes
from .testing import set_inference_steps


def draw_pictures(args: argparse.Namespace) -> list[Path]:
    """What `tools/visualize_flow.py` does: write the pictures, and return their files.

    Raises:
        FileNotFoundError: if an image, the checkpoint, an annotation file or an image folder is not there.
        ValueError: if the method has no flow in the pyramid, if the checkpoint is not a training checkpoint of the
            config, or if a number is less than 1.
    """
    check_images(args.images)
    for option in ('num_images', 'num_val_images', 'batch_size'):
        if getattr(args, option) < 1:
            raise ValueError(f'--{option.replace("_", "-")} must be at least 1, but got {getattr(args, option)}')
    cfg = read_with_method(args)
    cfg.merge_from_dict(args.cfg_options or {})
    check_kinds(cfg)
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    algorithm = load_distillation(cfg, args.checkpoint)
    if args.num_steps is not None:
        set_inference_steps(algorithm, args.num_steps)
    dataset = build_validation_set(cfg)
    check_teacher_classes(algorithm, dataset.metainfo.get('classes'))
    photos = choose_photos(args, dataset, cfg)
    out = Path(args.out_dir or default_folder(args.checkpoint))
    drawn = [photos[start : start + args.batch_size] for start in range(0, len(photos), args.batch_size)]
    batches = in_batches(dataset, args.num_val_images, args.batch_size)
    num_batches = ceil(min(args.num_val_images, len(dataset)) / args.batch_size)
    return [
        *draw_photos(algorithm, drawn, dataset.metainfo['classes'], out),
        *draw_validation(
            algorithm, with_progress('errors of the flow', batches, num_batches), dataset.metainfo['classes'], out
        ),
    ]


def check_images(files: Sequence[str]) -> None:
    """Raise an error if one of the files is not there, or no image."""
    for file in files:
        if not Path(file).is_file():
            raise FileNotFoundError(
                f'IMAGE must be a file, but {file} is none (current folder: {Path.cwd()}); give none to take the first '
                'of the validation set'
            )
        if not cv2.haveImageReader(file):
            raise ValueError(f'IMAGE must be an image that OpenCV reads, but {file} is none')


def default_folder(checkpoint: str) -> Path:
    """Beside a checkpoint that is a file."""
    return Path('work_dirs' if '://' in checkpoint else Path(checkpoint).parent) / 'flow_pictures'


def load_distillation(cfg: Config, checkpoint: str) -> FMKTDistill:
    """The algorithm of a config, with the weights of the student and of what distillation adds, in eval mode.

    It has no auxiliary head, which no picture shows.

    Raises:
        ValueError: if the method has no flow in the pyramid, or if the weights are not exactly those of the algorithm.
    """
    algorithm = MODELS.build(write_out(cfg).model)
    find_flow_loss(algorithm)
    if NAME in algorithm.distiller.distill_losses:
        algorithm.distiller.distill_losses.pop(NAME)
    weights, loaded = read_checkpoint(checkpoint, 'the checkpoint')
    of_distiller = (loaded.get('distiller') or {}).items()
    weights.update({key: value for key, value in of_distiller if not key.startswith(WEIGHTS)})
    load_exactly(
        algorithm,
        weights,
        f'the checkpoint {checkpoint}',
        'Give a checkpoint that training with this config and method has left; an exported student has no distiller',
    )
    return algorithm.to(get_device()).eval()


def build_validation_set(cfg: Config) -> DataSet:
    """The data set of `val_dataloader`, whose images are named in errors."""
    if not cfg.get('val_dataloader'):
        raise ValueError(
            'the config must have validation data for pictures of the flow, but it has none; set `val_dataloader`'
        )
    check_data(cfg, 'val_dataloader')
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    name_samples(dataset)
    return dataset


def choose_photos(args: argparse.Namespace, dataset: DataSet, cfg: Config) -> list[Photo]:
    """The images of the command line, with their objects if the validation set has them, or the first of that set."""
    if not args.images:
        return next(in_batches(dataset, args.num_images, args.num_images))
    known = {os.path.realpath(dataset.get_data_info(index).get('img_path', '')): index for index in range(len(dataset))}
    pipeline = Compose([step for step in get_test_pipeline_cfg(cfg) if 'LoadAnnotations' not in type_name(step)])
    places = [known.get(os.path.realpath(file)) for file in args.images]
    return [
        photo_of_file(file, pipeline) if place is None else photo_from(dataset, place)
        for file, place in zip(args.images, places)
    ]


def draw_photos(
    algorithm: FMKTDistill, batches: list[list[Photo]], classes: Sequence[str], out: Path
) -> Iterator[Path]:
    """A sheet for each of some images, and the detections on all of them."""
    teacher, number = algorithm.teacher, itertools.count()
    for photos in batches:
        paths = paths_through(algorithm, photos)
        for index, photo in enumerate(photos):
            yield save(
                draw_sheet(paths, photo, index, teacher is not None),
                out / f'features_{next(number)}_{Path(photo.sample.img_path).stem}.png',
            )
    found = {'student with its flow' if find_flows(algorithm.architecture) else 'student': detect(algorithm, batches)}
    if teacher is not None:
        found['teacher'] = detect(teacher.detector, batches)
    images = [photo.unscaled for photos in batches for photo in photos]
    yield save(detections_figure(found, classes, images), out / 'detections.png')


@torch.no_grad()
def detect(detector: BaseModel, batches: list[list[Photo]]) -> list[DetDataSample]:
    """What a detector finds on some images, with their ground truth where it is known."""
    results = [result.cpu() for photos in batches for result in detector.val_step(collate(photos))]
    for result, photo in zip(results, itertools.chain(*batches)):
        if 'gt_instances' in result:  # what the pipeline made of it
            del result.gt_instances
        if photo.truth is not None:
            result.gt_instances = photo.truth
    return results


def draw_validation(
    algorithm: FMKTDistill, batches: Iterator[list[Photo]], classes: Sequence[str], out: Path
) -> Iterator[Path]:
    """The chart of the errors, and that of the objects if there are any, over batches of validation images."""
    taught, errors, objects = algorithm.teacher is not None, Errors(), Objects()
    for photos in batches:
        paths = paths_through(algorithm, photos)
        errors.add(paths)
        objects.add(paths, photos)
    yield save(draw_errors(errors, taught), out / 'errors.png')
    if objects.labels:
        yield save(draw_projection(objects, classes, taught), out / 'paths.png')
