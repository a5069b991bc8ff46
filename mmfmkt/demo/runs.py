"""The training runs of the demo and how far they have come."""
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).parents[2]
PROGRESS = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\]')


@dataclass(frozen=True)
class Scale:
    """How large a demo is; `seconds` is what its steps take of those of the full one."""
    name: str
    num_train: int
    num_val: int
    epochs: int
    teacher_epochs: int
    data_root: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """One training run: `title` for people, `config` below configs/demo, seconds that it takes on two cores."""
    title: str
    config: str
    seconds: float
    work_dir: Path
    seed: int
    scale: Scale
    epochs: int
    teacher: 'Run | None' = None

    @property
    def config_file(self) -> Path:
        return ROOT / 'configs' / 'demo' / self.config

    @property
    def checkpoint(self) -> Path:
        return self.work_dir / f'epoch_{self.epochs}.pth'

    @property
    def finished(self) -> bool:
        # written after the checkpoint, so that it never names a broken one
        pointer = self.work_dir / 'last_checkpoint'
        return pointer.exists() and Path(pointer.read_text()).name == self.checkpoint.name

    def options(self) -> list[str]:
        """The settings in which this run differs from its config."""
        epochs, data = self.epochs, f'{ROOT / self.scale.data_root}/'
        options = [
            f'train_dataloader.dataset.data_root={data}', f'val_dataloader.dataset.data_root={data}',
            f'val_evaluator.ann_file={data}annotations/val.json', f'train_cfg.max_epochs={epochs}',
            f'train_cfg.val_interval={epochs + 1}', f'param_scheduler.1.T_max={epochs}', f'randomness.seed={self.seed}',
            'default_hooks.logger.interval=10', 'default_hooks.checkpoint.max_keep_ckpts=2'
        ]
        return options + ([f'model.teacher_ckpt={self.teacher.checkpoint}'] if self.teacher else [])

    def command(self) -> list[str]:
        return [
            sys.executable, '-W', 'ignore', str(ROOT / 'tools' / 'train.py'), str(self.config_file), '--resume',
            '--work-dir', str(self.work_dir), '--cfg-options', *self.options()
        ]

    def train(self) -> Iterator[float]:
        """Train, yielding the share that is done, from 0 to 1; what the run prints goes to `console.log`.

        Raises:
            RuntimeError: if the run fails; the message has the end of what it printed.
        """
        self.work_dir.mkdir(parents=True, exist_ok=True)
        log = self.work_dir / 'console.log'
        with log.open('a') as console, subprocess.Popen(
                self.command(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                for line in process.stdout:
                    console.write(line)
                    if match := PROGRESS.search(line):
                        epoch, iteration, length = map(int, match.groups())
                        yield (epoch - 1 + iteration / length) / self.epochs
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            tail = ''.join(log.read_text().splitlines(keepends=True)[-15:])
            raise RuntimeError(f'training of the {self.title} failed (all of its output: {log}):\n{tail}')
