"""From a config to its runner."""

from mmdet.registry import VISUALIZERS
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.utils import ManagerMeta

from mmfmkt.engine.distributed_cpu import prepare_distributed_cpu


def build_runner(cfg: Config) -> Runner:
    """The config's runner, on CPUs too where several processes were asked for."""
    prepare_distributed_cpu(cfg)
    name_visualizer(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if isinstance(runner.model, dict):  # a FlexibleRunner builds it when it starts, and here it is looked at before
        runner.model = runner.strategy.build_model(runner.model)
    return runner


def name_visualizer(cfg: Config) -> None:
    """Give the visualizer a name of its own: MMEngine takes one that is there for another run's, with its folder."""
    settings = cfg.get('visualizer')
    if not isinstance(settings, dict) or not settings.get('name'):
        return
    kind, name, number = settings.get('type'), settings['name'], 1
    kind = VISUALIZERS.get(kind) if isinstance(kind, str) else kind  # pure Python configs have classes
    while isinstance(kind, ManagerMeta) and kind.check_instance_created(settings['name']):
        number += 1
        settings['name'] = f'{name}_{number}'
