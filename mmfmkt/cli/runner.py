"""From a config to its runner."""

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmfmkt.engine.distributed_cpu import prepare_distributed_cpu


def build_runner(cfg: Config) -> Runner:
    """The config's runner, on CPUs too where several processes were asked for."""
    prepare_distributed_cpu(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if isinstance(runner.model, dict):  # a FlexibleRunner builds it when it starts, and here it is looked at before
        runner.model = runner.strategy.build_model(runner.model)
    return runner
