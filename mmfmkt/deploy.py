"""From a distillation run to the detector that is deployed."""
import copy
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import CheckpointLoader, save_checkpoint

from mmfmkt.models import FlowNeck, FMKTDistill
from mmfmkt.models.detector import build_detector


def deployed_config(cfg: Config) -> Config:
    """The config of the detector that distillation leaves: no teacher, no distiller.

    For FM-KT^Θ this is a stock MMDetection config. For FM-KT it needs `custom_imports`, because the flow is a part of
    the detector. A config without distillation is returned as a copy.
    """
    cfg = copy.deepcopy(cfg)
    if cfg.model.type.split('.')[-1] != FMKTDistill.__name__:
        return cfg
    cfg.model = cfg.model.architecture
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks', []) if 'DistillerHook' not in hook['type']]
    if cfg.model.get('neck', {}).get('type', '').split('.')[-1] != FlowNeck.__name__:
        cfg.pop('custom_imports', None)
    for leftover in ('flow', 'distiller'):
        cfg.pop(leftover, None)
    return cfg


def export_student(cfg: Config, checkpoint: str, out: str) -> tuple[Path, Path]:
    """Write the deployed detector as `out` (.pth) and its config beside it (.py).

    Args:
        cfg: config of the distillation run.
        checkpoint: a checkpoint of that run.
        out: the file to write; the optimizer and the distiller stay behind.

    Returns:
        The paths of the config and of the checkpoint.

    Raises:
        RuntimeError: if the checkpoint's weights are not exactly those of the detector.
    """
    weights_file = Path(out).with_suffix('.pth')
    config_file = weights_file.with_suffix('.py')
    deployed = deployed_config(cfg)
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    weights = {key: value for key, value in loaded['state_dict'].items() if not key.startswith('distiller.')}
    build_detector(deployed.model).load_state_dict(weights, strict=True)
    meta = {key: value for key, value in loaded['meta'].items() if key in ('dataset_meta', 'epoch', 'iter', 'seed')}
    weights_file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(dict(meta=meta, state_dict=weights), str(weights_file))
    deployed.dump(config_file)
    return config_file, weights_file
