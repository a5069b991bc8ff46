"""From a config, a checkpoint and the options of a command line to a runner that is ready to test."""

import argparse
from pathlib import Path

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmengine.config import Config
from mmengine.model import BaseTTAModel
from mmengine.runner import Runner
from torch import nn

from mmfmkt.common.checkpoints import load_exactly
from mmfmkt.common.config_files import type_name
from mmfmkt.common.processes import unwrapped
from mmfmkt.compat import rename_config
from mmfmkt.deploy.detector import deployed_config, needs_project, student_weights
from mmfmkt.models.flows.pyramid_flow import find_flows

from .arguments import load_config
from .preflight import check_data, check_tested_classes, checked_data
from .runner import build_runner

DEPLOYED = 'deployed_'  # what the name of a config that is tested begins with


def prepare_testing(args: argparse.Namespace) -> Runner:
    """What `tools/test.py` starts; see :func:`build_test_runner`.

    Raises:
        ValueError: if `--out` is not a pickle file, or if `--num-steps` is given for a detector without a flow.
    """
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--out must end in .pkl or .pickle, but got {args.out}')
    cfg = as_tested(load_config(args), args.checkpoint)
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    if args.tta:
        augment(cfg)
    runner = build_test_runner(cfg, args.checkpoint, args.rehearsal)
    if args.num_steps is not None:
        set_inference_steps(runner.model, args.num_steps)
    if args.out:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    return runner


def as_tested(cfg: Config, checkpoint: str) -> Config:
    """The config of the deployed detector, measured by the metrics that the run has.

    It has a name of its own, because a runner writes it into the work dir, where that of the training stands.
    """
    deployed = deployed_config(cfg, checkpoint)
    for name in ('val_evaluator', 'test_evaluator'):
        if name in cfg:
            deployed[name] = cfg[name]
            if needs_project(cfg[name]) and 'custom_imports' in cfg:
                deployed.custom_imports = cfg.custom_imports
    if cfg.filename and not Path(cfg.filename).name.startswith(DEPLOYED):
        rename_config(deployed, f'{DEPLOYED}{Path(cfg.filename).name}')
    return deployed


def augment(cfg: Config) -> None:
    """Let a detector see each image as its config says; if it does not, as it is and flipped, as in MMDetection.

    Raises:
        ValueError: if the test data set has no pipeline, as where several are joined.
    """
    innermost = cfg.test_dataloader.dataset
    while 'dataset' in innermost:
        innermost = innermost.dataset
    if 'pipeline' not in innermost:
        raise ValueError(f'--tta must be used with one test data set, but got a {type_name(innermost)} of several')
    if 'tta_model' not in cfg:
        nms = dict(type='nms', iou_threshold=0.5)
        cfg.tta_model = dict(type='DetTTAModel', tta_cfg=dict(nms=nms, max_per_img=100))
    if 'tta_pipeline' not in cfg:
        *transforms, pack = innermost.pipeline
        keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')
        flips = [dict(type='RandomFlip', prob=prob) for prob in (1.0, 0.0)]
        both = dict(type='TestTimeAug', transforms=[flips, [dict(pack, meta_keys=keys)]])
        cfg.tta_pipeline = [*transforms, both]
    cfg.model = dict(cfg.tta_model, module=cfg.model)
    innermost.pipeline = cfg.tta_pipeline


def build_test_runner(cfg: Config, checkpoint: str, rehearsal: bool = True) -> Runner:
    """A runner that tests the deployed detector with the checkpoint's weights, never with a teacher.

    Raises:
        FileNotFoundError: if the checkpoint, an annotation file or an image folder is not there.
        ValueError: if the checkpoint's weights are not exactly those of the detector, or if the data cannot be read.
    """
    cfg = as_tested(cfg, checkpoint)
    check_data(cfg, 'test_dataloader')
    cfg.load_from, cfg.resume = checkpoint, False  # the config that a resumed run leaves says resume = True
    runner = build_runner(cfg)
    weights, meta = student_weights(checkpoint)
    # `test` loads once more, not strictly, after hooks such as EMA are ready
    model = unwrapped(runner.model)
    load_exactly(
        model.module if isinstance(model, BaseTTAModel) else model,
        weights,
        f'the checkpoint {checkpoint}',
        'Give it with the config of its run',
    )
    parts = checked_data(runner, 'test', rehearsal=rehearsal)
    for part in parts:
        check_tested_classes(meta, part.classes, checkpoint)
    return runner


def set_inference_steps(model: nn.Module, num_steps: int) -> None:
    """Let every flow in a detector take `num_steps` steps at inference.

    Raises:
        ValueError: if there is no flow, or if `num_steps` is less than 1.
    """
    flows = find_flows(model)
    if not flows:
        raise ValueError(
            f'--num-steps must be used with a detector that carries a flow, but got {num_steps} for one '
            'without; FM-KT^Θ leaves its flow behind'
        )
    for flow in flows:
        flow.inference_steps = num_steps
