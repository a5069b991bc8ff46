"""The training runs of the demo: what each is, how it is started, how far it has come."""
import functools
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from mmfmkt.files import write_whole

ROOT = Path(__file__).parents[2]
PROGRESS = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\]')


@dataclass(frozen=True)
class CocoFolder:
    """A data set: images in `train/` and `val/`, boxes in `annotations/train.json` and `annotations/val.json`."""
    root: Path

    def annotations(self, split: str) -> Path:
        return self.root / 'annotations' / f'{split}.json'

    @functools.lru_cache(maxsize=None)  # a large data set's file takes seconds to read, and every run asks
    def classes(self, split: str = 'train') -> tuple[str, ...]:
        """The names of the categories, in the order of the file."""
        categories = json.loads(self.annotations(split).read_text())['categories']
        return tuple(category['name'] for category in categories)


@dataclass(frozen=True)
class Run:
    """One training run on two cores.

    Attributes:
        title: for people.
        config: name of the file below configs/demo.
        out: folder of all runs.
        seconds: about what it takes.
    """
    title: str
    config: str
    out: Path
    data: CocoFolder
    seed: int
    epochs: int
    seconds: float
    teacher: 'Run | None' = None

    @property
    def name(self) -> str:
        return f'{Path(self.config).stem}_seed{self.seed}'

    @property
    def work_dir(self) -> Path:
        return self.out / self.name

    @property
    def source(self) -> Path:
        """The config to start this run with."""
        return self.out / 'configs' / f'{self.name}.py'

    @property
    def config_file(self) -> Path:
        """The config that this run was started with, complete, as the runner wrote it."""
        return self.work_dir / f'{self.name}.py'

    @property
    def checkpoint(self) -> Path:
        return self.work_dir / f'epoch_{self.epochs}.pth'

    @property
    def finished(self) -> bool:
        # written after the checkpoint, so that it never names a broken one
        pointer = self.work_dir / 'last_checkpoint'
        return pointer.exists() and Path(pointer.read_text()).name == self.checkpoint.name

    def config_text(self) -> str:
        """What this run adds to its config of the demo: data, classes, epochs, seed, teacher."""
        classes = self.data.classes()
        dataset = dict(dataset=dict(data_root=f'{self.data.root}/', metainfo=dict(classes=classes)))
        evaluator = dict(ann_file=str(self.data.annotations('val')))
        model = dict(bbox_head=dict(num_classes=len(classes)))
        if self.teacher:
            model = dict(
                architecture=model, teacher=str(self.teacher.config_file), teacher_ckpt=str(self.teacher.checkpoint))
        settings = dict(
            _base_=str(ROOT / 'configs' / 'demo' / self.config),
            model=model,
            train_dataloader=dataset,
            val_dataloader=dataset,
            test_dataloader=dataset,
            val_evaluator=evaluator,
            test_evaluator=evaluator,
            train_cfg=dict(max_epochs=self.epochs, val_interval=self.epochs + 1),  # evaluated by the demo itself
            default_hooks=dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=2)),
            randomness=dict(seed=self.seed))
        lines = [f'{key} = {value!r}' for key, value in settings.items()]
        lines.append('param_scheduler = [_base_.param_scheduler[0], '
                     f'dict(_base_.param_scheduler[1], T_max={self.epochs})]')
        return '\n'.join(lines) + '\n'

    def check_folder(self) -> None:
        """Raise a ValueError if the folder has a run that was started otherwise, which must not be gone on with."""
        if self.source.exists() and self.source.read_text() != self.config_text():
            raise ValueError(f'{self.work_dir} has a run of other data or another length ({self.source} differs); remove '
                             f'{self.out} or choose another folder with --out')

    def write_config(self) -> Path:
        """Write the config to start this run with."""
        write_whole(self.source, self.config_text())
        return self.source

    def command(self) -> list[str]:
        return [
            sys.executable, '-W', 'ignore', str(ROOT / 'tools' / 'train.py'), str(self.write_config()), '--work-dir',
            str(self.work_dir), '--resume'
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
