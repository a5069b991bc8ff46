"""Everything this project does about the versions of the packages below it.

MMRazor 1.0.0 and MMEngine 0.10.7 are their last releases, and PyTorch went on without them. MMEngine, MMCV and
MMDetection have forks that are maintained, under the same import names. Nothing outside this file needs to know.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:  # what is installed is looked at before anything is imported
    from mmengine.config import Config

FORKS = dict(mmengine='onedl-mmengine', mmcv='onedl-mmcv', mmdet='onedl-mmdetection')  # by what is imported


def check_stack() -> None:
    """Refuse originals beside their forks: they write into the same folders, and which file is whose nobody knows.

    Raises:
        ImportError: if parts of both are installed.
    """
    originals, forks = (tuple(filter(is_installed, names)) for names in (FORKS, FORKS.values()))
    if originals and forks:
        raise ImportError(
            f"OpenMMLab's packages and their forks must not be mixed, but {', '.join(originals)} and "
            f'{", ".join(forks)} are installed; make a new environment with one of them: tools/setup_env.sh '
            '--stack openmmlab, or --stack onedl'
        )


def check_operators() -> None:
    """Refuse MMCV without its compiled operators, which every detector needs, before MMDetection falls over them.

    Raises:
        ImportError: if they are missing, or were compiled for another PyTorch.
    """
    import mmcv  # noqa: F401, which may lack something else

    try:
        importlib.import_module('mmcv._ext')
    except ImportError as error:
        fork = FORKS['mmcv']
        package = f'{fork}=={version(fork)}' if is_installed(fork) else 'mmcv==2.1.0'
        raise ImportError(
            f"MMCV's operators must be compiled for PyTorch {torch.__version__}, which is installed, but they cannot "
            f'be loaded ({error}); start tools/setup_env.sh again, or compile them: MMCV_WITH_OPS=1 pip install '
            f'--no-cache-dir --force-reinstall --no-deps --no-build-isolation {package}'
        ) from error


def is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute has another value for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def make_mmrazor_importable() -> None:
    """Import `mmrazor.models` on torch >= 2.

    MMRazor asks for MMCV 2.1.0 at most. What it uses of MMCV is the same in later versions, and so it is told that this
    is 2.1.0 while it is imported.

    MMRazor's quantization configs use names that torch has since removed whenever torch is at least 1.13. While they
    are imported, MMRazor is told that torch is 1.12.1, so that it takes its own older branch; distillation never uses
    them. MMRazor also raises the recursion limit of the whole process to 2**20, which turns an endless recursion into
    a crash: it is set back.
    """
    import mmcv

    with replaced(mmcv, '__version__', '2.1.0'):
        import mmrazor
    recursion_limit = sys.getrecursionlimit()
    digit_version = mmrazor.digit_version

    def without_new_quantization(version: str, *args: Any, **kwargs: Any) -> Any:
        return digit_version('1.12.1' if version == torch.__version__ else version, *args, **kwargs)

    with replaced(mmrazor, 'digit_version', without_new_quantization):
        import mmrazor.structures.quantization.backend_config
    try:
        import mmrazor.models
    finally:
        sys.setrecursionlimit(recursion_limit)


def allow_mmengine_checkpoints() -> None:
    """Read checkpoints with `weights_only`, and let it read what MMEngine's runner writes next to the weights.

    A resumable checkpoint holds the logged history (`HistoryBuffer`s of NumPy arrays). What these consist of is allowed
    by name; `weights_only` stays on, because a checkpoint from elsewhere is untrusted. NumPy 1 and 2 have other names
    for the same two functions, and a checkpoint may be of either. `getattr` itself must not be allowed, because it
    leads from any function to everything else: in its place stands one that knows a history's own methods only.
    """
    from mmengine.logging.history_buffer import HistoryBuffer
    from mmengine.runner import checkpoint

    def method_of_history(owner: Any, name: str) -> Any:
        if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
            raise UnpicklingError(f'only methods of a HistoryBuffer may be looked up, but got {owner!r} and {name!r}')
        return getattr(owner, name)

    core = np._core if hasattr(np, '_core') else np.core
    dtypes = [type(np.dtype(name)) for name in ('float64', 'float32', 'int64', 'int32', 'uint32', 'bool')]
    functions = [under_name('builtins', 'getattr', method_of_history)]
    for function in (core.multiarray._reconstruct, core.multiarray.scalar):
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
            functions.append(under_name(module, function.__name__, function))
    torch.serialization.add_safe_globals([HistoryBuffer, np.ndarray, np.dtype, slice, *dtypes, *functions])
    if hasattr(checkpoint, 'get_torch_safe_globals'):
        checkpoint.get_torch_safe_globals = list  # the fork allows a list of its own for each file, `getattr` included
    load = checkpoint.CheckpointLoader.load_checkpoint

    def load_weights_only(cls: type, *args: Any, **kwargs: Any) -> Any:
        with weights_only():
            return load(*args, **kwargs)

    checkpoint.CheckpointLoader.load_checkpoint = classmethod(load_weights_only)


def under_name(module: str, name: str, function: Callable) -> Callable:
    """A function that pickles ask for by another name; PyTorch goes by what a function says that it is called."""

    def renamed(*args: Any) -> Any:
        return function(*args)

    renamed.__module__, renamed.__name__, renamed.__qualname__ = module, name, name
    return renamed


@contextmanager
def weights_only() -> Iterator[None]:
    """PyTorch executes nothing of a file meanwhile, unless the user has set its own variable for files to be trusted.

    This is not its default everywhere: before 2.6 it is not, and for addresses MMEngine asks for the opposite.
    """
    force = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
    if force in os.environ or 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD' in os.environ:
        yield
        return
    os.environ[force] = '1'
    try:
        yield
    finally:
        os.environ.pop(force, None)


def install_nothing() -> None:
    """Let MMEngine read the config of an installed package, and install no other.

    Its `get_config` runs `pip install` for what stands before `::`. A slip of the pen in the name of a student, of a
    teacher or of MMRazor's `cfg_path` would run the build code of a stranger's package.
    """
    from mmengine.hub import hub

    hub.install_package = require_package


def require_package(package: str) -> None:
    """Raise a ModuleNotFoundError if a package is not installed."""
    from mmengine import utils

    if not utils.is_installed(package):
        raise ModuleNotFoundError(
            f'the package {package} must be installed for its configs to be read, but it is not; install it yourself '
            'if you trust it, or name a config of a package that is there, as '
            'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
        )


def silence_remarks() -> None:
    """Leave out what the packages say in every process about options that nobody has asked for."""
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    warnings.filterwarnings('ignore', message='faster_coco_eval is not installed')
    warnings.filterwarnings(
        'ignore', message='Multi-processing start method'
    )  # Python 3.14 has another than MMEngine's configs
    if is_installed(FORKS['mmdet']):
        with (
            open(os.devnull, 'w') as nowhere,
            redirect_stdout(nowhere),
        ):  # it prints that it lacks the data sets of its makers
            import mmdet.datasets  # noqa: F401


def rename_config(cfg: Config, filename: str) -> None:
    """Give a config another file, after which a runner names what it writes; MMEngine lets nobody set it."""
    object.__setattr__(cfg, '_filename', filename)


def tracing_exporter() -> dict[str, Any]:
    """The argument of `torch.onnx.export` that chooses the older exporter; the first versions know no other."""
    return dict(dynamo=False) if 'dynamo' in inspect.signature(torch.onnx.export).parameters else {}


@functools.lru_cache(maxsize=1)
def apply() -> None:
    """Apply everything, once."""
    check_stack()
    check_operators()
    silence_remarks()
    allow_mmengine_checkpoints()
    install_nothing()
    make_mmrazor_importable()
