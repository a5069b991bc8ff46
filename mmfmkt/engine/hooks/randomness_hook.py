"""Random numbers of the training itself: dropout, sampling of anchors and boxes, Pair Decoupling, steps of the flow."""

from mmengine.dist import broadcast_object_list, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.engine.loading.seeding import derived_seed, seed_generators
from mmfmkt.models.flows.pyramid_flow import find_flows


@HOOKS.register_module()
class RandomnessHook(Hook):
    """Seeds every iteration anew, with the run's seed, the number of the process, and that of the iteration.

    A resumed run then draws what it would have drawn, and needs no state. The number of steps of a flow is drawn from a
    generator of its own, which does not know the process: all processes take the same, so that none waits for another.
    """

    priority = 'VERY_LOW'

    def before_train(self, runner: Runner) -> None:
        self.flows = find_flows(runner.model)
        self.shared = [runner.seed]  # processes may have different ones (diff_rank_seed)
        broadcast_object_list(self.shared)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        for flow in self.flows:
            flow.random.seed(derived_seed(*self.shared, runner.iter))
        seed_generators(runner.seed, runner.iter, get_rank())
