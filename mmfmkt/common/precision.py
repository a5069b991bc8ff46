"""In which precision a part of the model computes."""

from contextlib import AbstractContextManager, nullcontext

import torch

PRECISIONS = ('auto', 'float32', 'bfloat16', 'float16')


def check_precision(value: str | None, option: str) -> str | None:
    """The value, or a ValueError if it is no precision."""
    if value is not None and value not in PRECISIONS:
        raise ValueError(
            f'`{option}` must be {", ".join(map(repr, PRECISIONS))}, or None for that of the training, but got '
            f'{value!r}'
        )
    return value


def chosen_dtype(precision: str | None, device: torch.device) -> torch.dtype | None:
    """What a part computes in; None for the precision of its inputs and weights.

    None and 'auto' are that of the training, if it is mixed; otherwise 'auto' is bfloat16 where the device computes it.
    """
    if precision not in (None, 'auto'):
        return getattr(torch, precision)
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.bfloat16 if precision and computes_bfloat16(device) else None


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager:
    """A context in which matrix products and convolutions compute in `dtype`."""
    if dtype is None:
        return nullcontext()
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def computes_bfloat16(device: torch.device) -> bool:
    """Has the device instructions for bfloat16, so that it is faster than float32?"""
    if device.type == 'cuda':
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # older versions of PyTorch do not tell
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, 'get_capabilities') else {}
    return device.type == 'cpu' and bool(capabilities.get('avx512_bf16') or capabilities.get('amx_bf16'))
