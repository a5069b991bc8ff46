"""Writing the deployed detector as two files, and checking them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import save_checkpoint
from mmengine.structures import InstanceData
from torch import Tensor

from mmfmkt.common.building import build_detector
from mmfmkt.common.checkpoints import load_exactly
from mmfmkt.common.config_files import type_name
from mmfmkt.detectors.channels import image_channels

from .detector import deployed_config, student_weights

SIZE = 512  # pixels of the image on which a detector is tried
EMA_HOOK = 'EMAHook'  # what it averages is folded into the exported weights


def export_student(
    cfg: Config, checkpoint: str, out: str, choice: str | None = None, half: bool = False
) -> tuple[Path, Path]:
    """Write the deployed detector as `out` (.pth) and its config beside it (.py), and check what was written.

    Args:
        cfg: config of the distillation run.
        checkpoint: a checkpoint of that run.
        out: the file to write, with .pth at its end or without; the optimizer and the distiller stay behind.
        choice: which weights, see :func:`~mmfmkt.deploy.detector.student_weights`.
        half: write them in float16, for a file of half the size; MMEngine loads them into float32.

    Returns:
        The paths of the config and of the checkpoint.

    Raises:
        FileNotFoundError: if the checkpoint is not there.
        ValueError: if the checkpoint cannot be read, or has no weights of the `choice`, or if a file would be
            overwritten that is read, or if a weight is too large for float16.
        RuntimeError: if the checkpoint's weights are not exactly those of the detector, or if what was written does not
            predict the same.
    """
    weights_file = Path(out if out.endswith('.pth') else f'{out}.pth')
    config_file = weights_file.with_suffix('.py')
    check_targets((cfg.filename, checkpoint), (weights_file, config_file))
    deployed = deployed_config(cfg, checkpoint)
    deployed.custom_hooks = [hook for hook in deployed.get('custom_hooks') or [] if type_name(hook) != EMA_HOOK]
    weights, meta = student_weights(checkpoint, choice)
    weights = in_half(weights) if half else weights
    trained = load_detector(deployed.model, weights)
    meta = {key: value for key, value in meta.items() if key in ('dataset_meta', 'epoch', 'iter', 'seed')}
    weights_file.parent.mkdir(parents=True, exist_ok=True)
    state = trained.state_dict()
    save_checkpoint(dict(meta=meta, state_dict=in_half(state) if half else state), str(weights_file))
    deployed.dump(config_file)
    check_same(trained, load_detector(Config.fromfile(config_file).model, student_weights(str(weights_file))[0]))
    return config_file, weights_file


def in_half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float16; whole numbers stay as they are, and what shares its memory goes on sharing it."""
    halves = {value.data_ptr(): value.half() for value in weights.values() if value.is_floating_point()}
    halved = {key: halves.get(value.data_ptr(), value) for key, value in weights.items()}
    if too_large := [key for key, value in halved.items() if value.isinf().any()]:
        raise ValueError(f'weights must be below 65504 for float16, but are not in {", ".join(too_large)}')
    return halved


def check_targets(sources: Sequence[str | None], targets: Sequence[Path]) -> None:
    """Raise a ValueError if what is written would replace what is read: the run's own config or checkpoint."""
    read = {Path(source).resolve() for source in sources if source and '://' not in source}
    for target in targets:
        if target.resolve() in read:
            raise ValueError(
                f'an export must leave the files of the run as they are, but it would overwrite {target}; choose '
                'another name'
            )


def load_detector(model: dict, weights: dict) -> BaseModel:
    """A detector in eval mode that has exactly these weights."""
    detector = build_detector(model)
    load_exactly(detector, weights, 'the checkpoint', 'Give it with the config of its run')
    return detector.eval()


def check_same(trained: BaseModel, exported: BaseModel) -> None:
    """Raise a RuntimeError if two detectors see something else in an image of noise."""
    with torch.no_grad():
        first, second = (predict_noise(detector) for detector in (trained, exported))
    if len(first) != len(second) or not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(first, second)):
        raise RuntimeError(
            'what was exported must predict what was trained, but on an image of noise it does not; does a '
            'module of the detector draw random numbers, or keep a state that is not saved?'
        )


def predict_noise(detector: BaseModel) -> list[Tensor]:
    """Features, boxes, scores and labels of an image of noise, the same image for every detector."""
    images = torch.randn(1, image_channels(detector), SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    shape = (SIZE, SIZE)
    sample = DetDataSample(
        metainfo=dict(
            img_shape=shape,
            ori_shape=shape,
            pad_shape=shape,
            batch_input_shape=shape,
            scale_factor=(1.0, 1.0),
            border=(0, SIZE, 0, SIZE),  # for CenterNet
            text='object',  # for Grounding DINO
        ),
        proposals=InstanceData(bboxes=torch.tensor([[0.0, 0.0, SIZE, SIZE]]), scores=torch.ones(1)),  # for Fast R-CNN
    )
    found = getattr(detector.predict(images, [sample])[0], 'pred_instances', {})
    return [*detector.extract_feat(images), *(found[key] for key in ('bboxes', 'scores', 'labels') if key in found)]
