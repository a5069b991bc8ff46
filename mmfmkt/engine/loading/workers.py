"""Worker processes of data loaders: their errors name the image, and they live until their parent ends them."""

import functools
import os
import signal
import threading
from collections.abc import Callable

from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader, get_worker_info

from .sample_errors import name_samples


def protect_workers(loader: DataLoader) -> None:
    """Let the workers that a loader starts from now on pass over the SIGTERM of a scheduler."""
    loader.worker_init_fn = functools.partial(start_worker, before=loader.worker_init_fn)


@FUNCTIONS.register_module()
def start_worker(worker: int, before: Callable[[int], None] | None = None) -> None:
    """What a worker begins with, after what it began with `before`."""
    if before:
        before(worker)
    if info := get_worker_info():
        name_samples(info.dataset)
    obey_parent()


def obey_parent() -> None:
    """Let this process be ended by its parent's SIGTERM alone.

    Schedulers send it to all processes of a job, and the one that saves a checkpoint still needs its workers.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=wait_for_parent, daemon=True).start()


def wait_for_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
