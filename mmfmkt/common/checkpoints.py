"""Reading checkpoints, with errors that say what to do."""

import pickle
from urllib.error import URLError

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmfmkt.common.messages import shorten


def read_checkpoint(path: str, option: str) -> tuple[dict[str, Tensor], dict]:
    """The weights in a checkpoint, and the whole of it. Nothing in it is executed.

    Args:
        path: file or address.
        option: what the user set it by, for the messages.

    Raises:
        FileNotFoundError: if the file is not there.
        ConnectionError: if the address cannot be reached.
        ValueError: if it is no checkpoint, or a damaged one, or if it holds more than data.
    """
    try:
        loaded = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{option} must be a file or an address, but {path} is none') from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise ConnectionError(
            f'{option} {path} could not be fetched ({getattr(error, "reason", error)}); download it '
            'elsewhere and give the file'
        ) from error
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{option} {path} could not be read: it is damaged, or it holds objects besides weights, which could '
            'run code when they are loaded. If you trust it, set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1. '
            f'PyTorch says: {reason(error)}'
        ) from error
    except (EOFError, OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
        raise ValueError(
            f'{option} {path} could not be read; it is damaged, or no checkpoint. PyTorch says: {reason(error)}'
        ) from error
    weights = loaded.get('state_dict', loaded) if isinstance(loaded, dict) else None
    if (
        not isinstance(weights, dict)
        or not weights
        or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items())
    ):
        content = f'a dict with {shorten(list(loaded))}' if isinstance(loaded, dict) else type(loaded).__name__
        raise ValueError(
            f'{option} {path} must hold weights, a dict of tensors or one under the key `state_dict`, but it '
            f'holds {content}'
        )
    return {key.removeprefix('module.'): value for key, value in weights.items()}, loaded


def without_repeated(weights: dict[str, Tensor], detector: nn.Module) -> dict[str, Tensor]:
    """The weights without those that the detector does not know and that repeat some that it does.

    In its first iteration, DDQ gives branches of its head to its decoder, and from then on saves them under both names.
    """
    own = detector.state_dict()

    def repeats(key: str) -> bool:
        below = key.partition('.')[2]
        return any(
            other in own and other.partition('.')[2] == below and torch.equal(weights[other], weights[key])
            for other in weights
        )

    return {key: value for key, value in weights.items() if key in own or not repeats(key)}


def load_exactly(detector: nn.Module, weights: dict[str, Tensor], what: str, remedy: str) -> None:
    """Load every weight of a detector.

    Args:
        what: what the weights are, for the message.
        remedy: what to give instead.

    Raises:
        ValueError: if they belong to another detector, in which case the message lists the keys, or if some are not
            finite.
    """
    weights = without_repeated(weights, detector)
    # not PyTorch's own strict mode: it misses counters that checkpoints of old versions do not have
    try:
        missing, unknown = detector.load_state_dict(weights, strict=False)
        mismatched = []
    except RuntimeError:  # of another shape
        own = detector.state_dict()
        missing, unknown = (
            [key for key in first if key not in second] for first, second in ((own, weights), (weights, own))
        )
        mismatched = misshapen(own, weights)
        if not mismatched:  # a module refuses its weights for a reason of its own
            raise
    missing = [key for key in missing if not key.endswith('num_batches_tracked')]
    problems = {
        'missing from the checkpoint': missing,
        'unknown to the detector': unknown,
        'of another shape': mismatched,
    }
    if any(problems.values()):
        report = ''.join(f'\n  {len(keys)} keys {how}: {shorten(keys)}' for how, keys in problems.items() if keys)
        raise ValueError(f'{what} does not belong to {type(detector).__name__}:{report}\n{remedy}')
    broken = [key for key, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise ValueError(
            f'{what} must have weights that are finite, but {shorten(broken)} are not; give one of an earlier epoch'
        )


def misshapen(own: dict[str, Tensor], weights: dict[str, Tensor]) -> list[str]:
    """The weights that have another shape than a model's own of the same name, with both."""
    return [
        f'{key} {tuple(weights[key].shape)} instead of {tuple(value.shape)}'
        for key, value in own.items()
        if key in weights and weights[key].shape != value.shape
    ]


def reason(error: Exception) -> str:
    """The first sentence of what PyTorch says, or the line that names what it has refused."""
    lines = (str(error).strip() or type(error).__name__).splitlines()
    return next((line.strip() for line in lines if 'WeightsUnpickler error' in line), lines[0]).split('. ')[0]


def trained_classes(checkpoint: dict) -> tuple[str, ...] | None:
    """The names of the classes that a checkpoint of MMDetection 3 or 2 was trained on, if it says so."""
    meta = checkpoint.get('meta')
    meta = meta.get('dataset_meta') or meta if isinstance(meta, dict) else {}
    classes = meta.get('classes', meta.get('CLASSES')) if isinstance(meta, dict) else None
    return tuple(classes) if isinstance(classes, (list, tuple)) else None
