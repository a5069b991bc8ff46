"""One training of a study: how it is started, how far it has come, what was measured."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmfmkt.common.config_files import read_config
from mmfmkt.common.files import project_folder, write_whole
from mmfmkt.pairing.method import DEFAULT, read_method
from mmfmkt.pairing.short_form import is_short

from .data import CocoFolder

# of MMEngine's log: Epoch(train) [2][ 50/313] or Iter(train) [ 50/90000]
PROGRESS = re.compile(r'(?:Epoch\(train\)\s+\[(\d+)\]|Iter\(train\) )\[\s*(\d+)/(\d+)\]')


@dataclass(frozen=True)
class Run:
    """One training with one seed, or a teacher that has been trained already.

    Attributes:
        name: of its files.
        title: for people.
        config: config file, or 'package::' config.
        options: what differs, as in `--cfg-options`.
        out: folder of the study.
        seed: of all random numbers.
        data: what it trains on, instead of the data of the config.
        teacher: the run whose detector is the teacher.
        further: those of further teachers.
        weights: the checkpoint of a detector that has been trained already, a file or an address.
        processes: those of the training, each with a GPU of its own.
    """

    name: str
    title: str
    config: str
    options: dict = field(hash=False)
    out: Path = field(default=Path())
    seed: int = 0
    data: CocoFolder | None = None
    teacher: Run | None = None
    further: tuple[Run, ...] = ()
    weights: str | None = None
    processes: int = 1

    @property
    def id(self) -> str:
        return f'{self.name}_seed{self.seed}'

    @property
    def teachers(self) -> tuple[Run, ...]:
        return (self.teacher, *self.further) if self.teacher else ()

    @property
    def work_dir(self) -> Path:
        return self.out / self.id

    @property
    def source(self) -> Path:
        """The whole config of this run."""
        return self.out / 'configs' / f'{self.id}.py'

    @property
    def about(self) -> dict:
        """What its row says it is of."""
        return dict(
            run=self.name,
            seed=self.seed,
            title=self.title,
            teacher=self.teacher.name if self.teacher else None,
            more_teachers=[run.name for run in self.further],
            teacher_seeds=[run.seed for run in self.teachers],
            given=any(run.weights for run in (self, *self.teachers)),
            config=self.config,
            options=self.options,
            data=self.data.size if self.data else None,
            processes=self.processes,
        )

    @property
    def row_file(self) -> Path:
        """What was measured of this run."""
        return self.out / 'rows' / f'{self.id}.json'

    @functools.cached_property
    def cfg(self) -> Config:
        """The config with everything that this run adds: options, seed, data, teacher.

        Raises:
            FileNotFoundError: if there is no such config.
            ValueError: if it is no config, or if an option does not fit into it.
        """
        cfg = read_config(self.config, f'the config of {self.name}')
        settings = {**self.options, 'randomness.seed': self.seed}
        if self.needs_teacher(cfg):
            teachers = [dict(teacher=str(run.source), teacher_ckpt=run.checkpoint) for run in self.teachers]
            single = teachers[0] if len(teachers) == 1 else dict(teacher=teachers, teacher_ckpt=None)
            settings.update({f'model.{name}': value for name, value in single.items()})
        try:
            cfg.merge_from_dict(settings)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f'the options of {self.name} must fit into {self.config}, but {settings} do not: {error}'
            ) from error
        if self.data:
            self.data.put_into(cfg)
        return cfg

    def needs_teacher(self, cfg: Config) -> bool:
        """Does the training that a config describes read the teacher?"""
        if self.teacher and is_short(cfg):
            return read_method(self.options.get('model.method', cfg.model.get('method', DEFAULT))).reads_teacher
        return bool(self.teacher) and 'teacher' in cfg.model  # written out

    @property
    def ready(self) -> bool:
        """Is everything there that the training needs?"""
        return not self.needs_teacher(self.cfg) or all(run.trained for run in self.teachers)

    @property
    def length(self) -> int:
        """Of the training, in epochs, or in iterations if it has none."""
        loop = self.cfg.train_cfg
        return loop.get('max_epochs') or loop.max_iters

    @property
    def checkpoint(self) -> str:
        """The checkpoint that this run ends with."""
        if self.weights:
            return self.weights
        return str(self.work_dir / f'{"epoch" if "max_epochs" in self.cfg.train_cfg else "iter"}_{self.length}.pth')

    @property
    def trained(self) -> bool:
        # the pointer is written after the checkpoint, so that it never names a broken one
        pointer = self.work_dir / 'last_checkpoint'
        return bool(self.weights) or pointer.exists() and Path(pointer.read_text()).name == Path(self.checkpoint).name

    @property
    def finished(self) -> bool:
        """Are there figures, from here or from elsewhere, and not of an older checkpoint than there is?"""
        if not self.row_file.exists():
            return False
        checkpoint = Path(self.checkpoint)
        return not checkpoint.exists() or self.row_file.stat().st_mtime >= checkpoint.stat().st_mtime

    def row(self) -> dict:
        return json.loads(self.row_file.read_text())

    def prepare(self) -> None:
        """Write the config; figures that are there without one are not of this run.

        Raises:
            ValueError: if the folder has a run that was started otherwise, which must not be gone on with.
        """
        together = f'# {self.processes} processes\n' if self.processes > 1 else ''
        text = f'{together}{self.cfg.pretty_text}\n'
        if not self.source.exists():
            self.row_file.unlink(missing_ok=True)
        elif self.source.read_text() != text:
            raise ValueError(
                f'{self.work_dir} has a run of other settings, data, number of GPUs or another length ({self.source} '
                'differs); choose another folder with --out, or remove both, with all that it has taught'
            )
        write_whole(self.source, text)

    def training_command(self) -> list[str]:
        several = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={self.processes}']
        launcher = several if self.processes > 1 else []
        return [
            sys.executable,
            '-W',
            'ignore',
            *launcher,
            str(project_folder('tools') / 'train.py'),
            str(self.source),
            '--work-dir',
            str(self.work_dir),
            '--resume',
            *(['--launcher', 'pytorch'] if launcher else []),
        ]

    def measuring_command(self) -> list[str]:
        return [
            sys.executable,
            '-W',
            'ignore',
            '-m',
            'mmfmkt.lab.study.measure',
            str(self.source),
            self.checkpoint,
            str(self.row_file),
        ]


def follow(command: list[str], log: Path, env: dict[str, str], what: str, epochs: int = 1) -> Iterator[float]:
    """Run a command, yielding the share that is done, from 0 to 1; what it prints goes to a file.

    Args:
        command: of a training, or another one.
        log: is added to.
        env: environment of the process.
        what: is being done, for the message.
        epochs: those of the training, if it has epochs.

    Raises:
        RuntimeError: if it fails; the message has the end of what it printed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open('a') as console,
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        try:
            for line in process.stdout:
                console.write(line)
                if match := PROGRESS.search(line):
                    epoch, done, length = (int(number or 0) for number in match.groups())
                    yield (max(epoch - 1, 0) + done / length) / (epochs if epoch else 1)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        tail = ''.join(log.read_text().splitlines(keepends=True)[-15:])
        raise RuntimeError(f'{what} failed (all of its output: {log}):\n{tail}')
