"""Real runs on two images."""

import copy
import signal
import threading

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import Dataset

from mmfmkt.engine.add_hooks import make_resumable

HOOKS = [
    dict(type='EMAHook'),
    dict(type='mmrazor.SplitDistillerHook'),
    dict(type='mmrazor.JoinDistillerHook'),
    dict(type='mmrazor.CheckpointFilesHook'),
]

ON_DISK = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1, backend_args=dict(backend='whole_files'))
)
BATCHES = 4  # of an epoch


class Images(Dataset):
    """The samples of the fixture `batch`, as a loader gives them to a runner."""

    metainfo = dict(classes=tuple('0123456789'))

    def __init__(self, images, samples):
        self.images, self.samples = (images * 50 + 127).clamp(0, 255).to(torch.uint8), samples

    def __len__(self):
        return len(self.samples)

    def get_data_info(self, index):
        return dict(instances=[])

    def __getitem__(self, index):
        return dict(inputs=self.images[index], data_samples=copy.deepcopy(self.samples[index]))


class SumOfScores(BaseMetric):
    """A metric that tells detectors apart."""

    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results += [sample['pred_instances']['scores'].sum().item() for sample in data_samples]

    def compute_metrics(self, results):
        return dict(scores=sum(results))


class Told(Hook):
    """Sends SIGTERM to the main thread in an iteration; another thread would pass it on at any time."""

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.iteration:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)


class Draws(Hook):
    """Writes down what the iterations draw, and which batch they are."""

    def __init__(self):
        self.drawn = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.drawn[runner.iter] = (batch_idx, torch.rand(()).item(), outputs['loss'].item())


@pytest.fixture
def validated():
    """Lets a runner validate on its training images after every epoch."""

    def add(runner):
        runner._val_dataloader = copy.deepcopy(runner._train_dataloader)
        runner._val_loop, runner._val_evaluator = dict(), [SumOfScores()]
        return runner

    return add


@pytest.fixture
def make_runner(theta, batch, tmp_path):
    """A runner of FM-KT^Θ with EMA: (epochs, folder, how often the images are repeated, its class, more options)."""

    def make(epochs, folder, repeat=1, kind=Runner, **options):
        images, samples = batch
        loader = dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
            dataset=Images(images.repeat(repeat, 1, 1, 1), samples * repeat),
        )
        names.append(f'{tmp_path.name}_{folder}_{len(names)}')
        defaults = dict(
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            custom_hooks=HOOKS,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        )
        return kind(
            copy.deepcopy(theta),
            work_dir=str(tmp_path / folder),
            train_dataloader=dict(loader, **options.pop('train_dataloader', {})),
            default_scope='mmdet',
            log_level='ERROR',
            randomness=dict(seed=0),
            experiment_name=names[-1],
            **dict(defaults, **options),
        )

    names = []  # of the experiments, which MMEngine keeps apart by them
    return make


@pytest.fixture
def runner_of(make_runner, theta):
    """A runner of eight batches in two epochs: (folder, hooks, options)."""
    theta.distiller.connectors.flow.flow.num_steps = [1, 2, 3]
    theta.distiller.distill_losses.loss_fmkt.keep_pairs = 0.5

    def make(folder, *hooks, epochs=2, **options):
        built = [hook for hook in hooks if not isinstance(hook, dict)]
        own = [hook for hook in hooks if isinstance(hook, dict)]
        cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=epochs), custom_hooks=own))
        make_resumable(cfg)
        loader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True))
        loader.update(options.pop('train_dataloader', {}))
        return make_runner(
            epochs,
            folder,
            train_cfg=cfg.train_cfg,
            train_dataloader=loader,
            repeat=2,
            **dict(dict(custom_hooks=[*cfg.custom_hooks, *built], default_hooks=ON_DISK), **options),
        )

    return make
