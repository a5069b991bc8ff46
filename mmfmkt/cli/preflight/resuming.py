"""Is a checkpoint one to go on from, or to start from?"""

from mmengine.dist import all_gather_object
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from mmfmkt.common.checkpoints import misshapen
from mmfmkt.common.messages import shorten
from mmfmkt.common.processes import unwrapped
from mmfmkt.engine.checkpoint_files import Resumable
from mmfmkt.engine.loading.train_loops import LENGTH
from mmfmkt.models import FMKTDistill
from mmfmkt.pairing.auxiliary_head import WEIGHTS

# what a runner reads of a checkpoint to go on from, and what it looks for in there
PARTS = dict(meta=('epoch', 'iter'), optimizer=(), message_hub=('log_scalars', 'runtime_info'))


def check_agreement(resumed: Resumable | None) -> None:
    """Raise a ValueError if the processes, on several machines perhaps, do not go on from the same checkpoint."""
    paths = all_gather_object(resumed and resumed.path)
    if len(set(paths)) > 1:
        raise ValueError(
            f'all processes must go on from the same checkpoint, but got {sorted(set(map(str, paths)))}; let the '
            'machines share their --work-dir, or give the checkpoint: --resume CHECKPOINT'
        )


def check_resumable(runner: Runner, resumed: Resumable) -> None:
    """Raise a ValueError if a checkpoint to go on from was not written by such a run."""
    content, own = resumed.content, unwrapped(runner.model).state_dict()
    weights = {**resumed.weights, **content.get('distiller', {})}
    lacks = [
        f'`{part}`'
        for part, keys in PARTS.items()
        if not isinstance(content.get(part), dict) or not set(keys) <= set(content[part])
    ]
    if runner.param_schedulers and not content.get('param_schedulers'):
        lacks.append('`param_schedulers`')  # they would begin anew
    missing, other = [key for key in own if key not in weights], misshapen(own, weights)
    unknown = [key for key in content.get('distiller', {}) if key not in own]
    if missing:
        lacks.append(f'the weights of {shorten(missing)}')
    reasons = []
    distilled = isinstance(unwrapped(runner.model), FMKTDistill)
    if 'distiller' in content and not distilled:
        reasons.append('is of a distillation, and this is none')
    if lacks:
        reasons.append(f'lacks {" and ".join(lacks)}')
    elif counts_iterations(content) and isinstance(runner.train_loop, EpochBasedTrainLoop):
        reasons.append('counts iterations, and this run epochs')
    if other:
        reasons.append(f'has weights of another shape: {shorten(other)}')
    if unknown:
        reasons.append(f'is of another method, with {shorten(unknown)}')
    if reasons:
        differ = [*missing, *unknown]
        remedy = 'to start from the weights of another, set load_from'
        if distilled and not other and differ and all(key.startswith(WEIGHTS) for key in differ):
            remedy = f'to go on as it was begun, set model.auxiliary_head={bool(unknown)}'
        raise ValueError(
            f'the checkpoint to go on from must be one of this run, but {resumed.path} {reasons[0]}; {remedy}'
        )


def counts_iterations(content: dict) -> bool:
    """Is a checkpoint of a run that does? One that counts epochs has finished one, or says how long it is."""
    epoch, iteration = content['meta']['epoch'], content['meta']['iter']
    return epoch == 0 < iteration and LENGTH not in content['message_hub']['runtime_info']


def check_start(runner: Runner, path: str, weights: dict[str, Tensor]) -> None:
    """Raise a ValueError if nothing of a checkpoint to start from, set by `load_from`, fits into the model."""
    own = unwrapped(runner.model).state_dict()
    if not any(key in own and own[key].shape == value.shape for key, value in weights.items()):
        raise ValueError(
            f'the checkpoint to start from, set by `load_from`, must have weights of the student, but nothing of '
            f'{path} fits; it has {shorten(list(weights))}, and the student {shorten(list(own))}'
        )
