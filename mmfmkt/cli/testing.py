"""From a config, a checkpoint and the options of a command line to a runner that is ready to test."""

import argparse

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmengine.config import Config
from mmengine.model import BaseTTAModel
from mmengine.runner import Runner
from torch import nn

from mmfmkt.common.checkpoints import load_exactly
from mmfmkt.common.processes import unwrapped
from mmfmkt.deploy.detector import deployed_config, student_weights
from mmfmkt.models.flows.pyramid_flow import find_flows

from .arguments import load_config
from .preflight import check_data, check_tested_classes, checked_data
from .runner import build_runner


def prepare_testing(args: argparse.Namespace) -> Runner:
    """What `tools/test.py` starts; see :func:`build_test_runner`.

    Raises:
        ValueError: if `--out` is not a pickle file, if `--num-steps` is given for a detector without a flow, or if
            `--tta` is given and the config does not say what it is.
    """
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--out must end in .pkl or .pickle, but got {args.out}')
    cfg = deployed_config(load_config(args), args.checkpoint)
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    if args.tta:
        if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
            raise ValueError(
                '--tta needs tta_model and tta_pipeline in the config; mmdet::retinanet/retinanet_tta.py is an example'
            )
        cfg.model = dict(cfg.tta_model, module=cfg.model)
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    runner = build_test_runner(cfg, args.checkpoint, args.rehearsal)
    if args.num_steps is not None:
        set_inference_steps(runner.model, args.num_steps)
    if args.out:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    return runner


def build_test_runner(cfg: Config, checkpoint: str, rehearsal: bool = True) -> Runner:
    """A runner that tests the deployed detector with the checkpoint's weights, never with a teacher.

    Raises:
        FileNotFoundError: if the checkpoint, an annotation file or an image folder is not there.
        ValueError: if the checkpoint's weights are not exactly those of the detector, or if the data cannot be read.
    """
    cfg = deployed_config(cfg, checkpoint)
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
