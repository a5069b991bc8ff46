"""Several trainings at a time, in processes of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import torch

from mmfmkt.common.progress import Progress

from .run import Run, follow

SECONDS_BETWEEN_LOOKS = 5.0  # at what other processes have done
MOST_ON_CPUS = 4  # a training takes a gigabyte or two
MEASURING = 0.1  # the share of a run that is not training


@dataclass(frozen=True)
class Place:
    """Where one run at a time may be: threads of the CPU, or GPUs."""

    threads: int
    gpus: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        visible = dict(CUDA_VISIBLE_DEVICES=','.join(self.gpus)) if self.gpus else {}
        return {**os.environ, 'OMP_NUM_THREADS': str(self.threads), **visible}


def places(jobs: int | None = None, gpus_per_run: int = 1, num_gpus: int | None = None) -> list[Place]:
    """The places of a machine; by default as many as its GPUs allow, on CPUs one for each core, up to `MOST_ON_CPUS`.

    Several trainings of few threads are faster than one of many after the other, and do not wait for each other.

    Raises:
        ValueError: if there are no `jobs`, or not so many GPUs.
    """
    num_gpus, cores = torch.cuda.device_count() if num_gpus is None else num_gpus, os.cpu_count() or 1
    if jobs is None:
        jobs = max(1, num_gpus // max(gpus_per_run, 1)) if num_gpus else min(cores, MOST_ON_CPUS)
    if jobs < 1 or gpus_per_run < 1:
        raise ValueError(f'--jobs and --gpus-per-run must be at least 1, but got {jobs} and {gpus_per_run}')
    if gpus_per_run > 1 and not num_gpus:
        raise ValueError(f'--gpus-per-run must be 1 on a machine without GPUs, but got {gpus_per_run}')
    if num_gpus and jobs * gpus_per_run > num_gpus:
        raise ValueError(
            f'--jobs x --gpus-per-run must not be more than the GPUs of the machine, {num_gpus}, but got '
            f'{jobs} x {gpus_per_run}'
        )
    threads = max(1, cores // (jobs * (gpus_per_run if num_gpus else 1)))
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')  # the study may have been given a part of the machine
    names = (visible.split(',') if visible else [str(number) for number in range(num_gpus)])[:num_gpus]
    return [Place(threads, tuple(names[job * gpus_per_run : (job + 1) * gpus_per_run])) for job in range(jobs)]


@contextlib.contextmanager
def claimed(run: Run) -> Iterator[bool]:
    """Whether this process may work on a run: nobody else does. The claim of a process that dies is gone with it.

    Raises:
        RuntimeError: if the file system has no locks.
    """
    run.work_dir.mkdir(parents=True, exist_ok=True)
    with (run.work_dir / '.claim').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            raise RuntimeError(
                f'{run.work_dir} must be on a file system with locks, but {error}; choose another folder with --out'
            ) from error
        yield True


def work(run: Run, place: Place) -> Iterator[float]:
    """Train a run and measure it, unless that has been done; yields the share that is done.

    Raises:
        RuntimeError: if one of the two fails, or if the training ends too early.
    """
    log = run.work_dir / 'console.log'
    if not run.trained:
        for share in follow(run.training_command(), log, place.environment, f'training of {run.id}', run.length):
            yield share * (1 - MEASURING)
        if not run.trained:  # it was told to stop, and has saved what there is
            raise RuntimeError(f'training of {run.id} has ended before its last epoch (all of its output: {log})')
    yield 1 - MEASURING
    if not run.finished:
        yield from follow(run.measuring_command(), log, place.environment, f'measuring of {run.id}')


class Crew:
    """What the threads share that do the runs of a study, each run at a place of its own.

    Attributes:
        failed: id of a run that has failed -> why.
        stopping: set when the study is to stop.
        shares: id of a run -> how much work it is.
    """

    def __init__(self, runs: Sequence[Run], free: Sequence[Place]) -> None:
        unready = [run for run in runs if not run.finished and not run.ready]
        self.lacking = [teacher for run in unready for teacher in run.teachers if not teacher.trained]
        self.free: queue.Queue[Place] = queue.Queue()
        for place in free:
            self.free.put(place)
        self.failed: dict[str, Exception] = {}
        self.stopping = threading.Event()
        measured_only = {run.id for run in runs if run.trained and not self.has_done(run)}
        self.shares = {run.id: run.length * (MEASURING if run.id in measured_only else 1) for run in runs}

    def has_done(self, run: Run) -> bool:
        return run.finished and (run.trained or run not in self.lacking)

    def do(self, run: Run, progress: Progress) -> None:
        """Do a run, or wait for the process that does it; one that fails stops no other."""
        place = self.free.get()
        try:
            while not (self.stopping.is_set() or self.has_done(run) or self.takes(run, place, progress)):
                time.sleep(SECONDS_BETWEEN_LOOKS)
        except RuntimeError as error:
            self.failed[run.id] = error
        finally:
            self.free.put(place)

    def takes(self, run: Run, place: Place, progress: Progress) -> bool:
        """Do a run if nobody else does and its teachers are there; else it returns False at once."""
        if not run.ready and (broken := self.failed.keys() & {teacher.id for teacher in run.teachers}):
            raise RuntimeError(f'{run.id} has no teacher, because {", ".join(broken)} has failed')
        with claimed(run) as mine:
            if not mine or not run.ready or self.has_done(run):  # since it was looked at
                return False
            shares = interruptible(work(run, place), self.stopping)
            progress.follow(f'{run.title}, seed {run.seed}', self.shares[run.id], shares)
            return True


def do_all(runs: Sequence[Run], free: Sequence[Place]) -> None:
    """Do the runs that are not finished, as many at a time as there are places, and wait for those that others do.

    A teacher is done before what it teaches, if it stands before it in the list; one of which there are figures and no
    checkpoint, because its row is from another machine, is trained again. A run that fails stops no other.

    Raises:
        RuntimeError: if runs have failed, when all others are done; the message has the ends of what they printed.
    """
    crew = Crew(runs, free)
    pending = [run for run in runs if not crew.has_done(run)]
    if not pending:
        return
    whole, left = sum(crew.shares.values()), sum(crew.shares[run.id] for run in pending)
    with Progress(whole, whole - left) as progress, ThreadPoolExecutor(len(free)) as pool:
        try:
            for future in as_completed([pool.submit(crew.do, run, progress) for run in pending]):
                future.result()
        except BaseException:
            crew.stopping.set()
            pool.shutdown(cancel_futures=True)
            raise
    if crew.failed:
        raise RuntimeError(
            f'{len(crew.failed)} of {len(runs)} runs have failed; start the study again with --resume to try them '
            'again:\n' + '\n'.join(f'{name}: {error}' for name, error in crew.failed.items())
        )


def interruptible(shares: Iterator[float], stopping: threading.Event) -> Iterator[float]:
    """The same shares, until the study is to stop; closing the iterator ends its process."""
    for share in shares:
        if stopping.is_set():
            shares.close()
            return
        yield share
