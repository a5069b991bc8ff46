"""A small package with the interface of timm that a TimmTeacher uses, for environments without timm."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

SMALL = dict(vit='vit_tiny_patch16_224', patch14='vit_small_patch14_dinov2', pyramid='resnet18')  # names of timm's
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Plain(nn.Module):
    """Blocks on a grid of patches, as a ViT: all maps have one stride."""

    def __init__(self, patch, width, num_classes, dynamic_img_size=False):
        super().__init__()
        self.patch, self.any_size = patch, dynamic_img_size
        self.patch_embed = nn.Conv2d(3, width, patch, patch)
        self.blocks = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(12))
        self.norm = nn.GroupNorm(1, width)
        self.head = nn.Linear(width, num_classes) if num_classes else nn.Identity()
        self.feature_info = [dict(num_chs=width, reduction=patch)] * 12

    def forward_intermediates(self, x, indices, norm, output_fmt, intermediates_only):
        assert output_fmt == 'NCHW' and intermediates_only
        assert all(length % self.patch == 0 for length in x.shape[2:])
        assert self.any_size or x.shape[2:] == (224, 224)
        x, maps = self.patch_embed(x), []
        for index, block in enumerate(self.blocks):
            x = x + block(x)
            if index in indices:
                maps.append(self.norm(x) if norm else x)
        return maps

    def prune_intermediate_layers(self, indices, prune_norm):
        self.blocks = self.blocks[: max(indices) + 1]
        self.norm = nn.Identity() if prune_norm else self.norm


class Pyramid(nn.Module):
    """Stages with strides 2 to 32, as a ResNet."""

    def __init__(self, num_classes):
        super().__init__()
        widths = [64, 64, 128, 256, 512]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
            for before, width in zip([3, *widths], widths)
        )
        self.fc = nn.Linear(512, num_classes) if num_classes else nn.Identity()
        self.feature_info = [dict(num_chs=width, reduction=2 ** (1 + index)) for index, width in enumerate(widths)]

    def forward_intermediates(self, x, indices, norm, output_fmt, intermediates_only):
        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            maps += [x] if index in indices else []
        return maps

    def prune_intermediate_layers(self, indices, prune_norm):
        self.stages = self.stages[: max(indices) + 1]


class OneSize(nn.Module):
    """A network that takes no `dynamic_img_size`."""

    def __init__(self, num_classes):
        super().__init__()


def build(make, classifier, fixed, weights=True, num_classes=1000):
    return SimpleNamespace(
        make=make,
        cfg=SimpleNamespace(fixed_input_size=fixed, has_weights=weights, num_classes=num_classes),
        classifier=classifier,
    )


NETWORKS = {
    SMALL['vit']: build(lambda **settings: Plain(16, 192, **settings), 'head', True),
    SMALL['patch14']: build(lambda **settings: Plain(14, 384, **settings), 'head', True, num_classes=0),
    SMALL['pyramid']: build(Pyramid, 'fc', False),
    'densenet264d': build(Pyramid, 'fc', False, weights=False),
    'beit_base_patch16_224': build(OneSize, 'head', True),
}


def create_model(name, pretrained=False, pretrained_strict=True, pretrained_cfg_overlay=None, **settings):
    entry = NETWORKS[name.partition('.')[0]]
    network = entry.make(**{'num_classes': entry.cfg.num_classes, **settings})
    network.pretrained_cfg = dict(mean=MEAN, std=STD, classifier=entry.classifier)
    if pretrained:
        assert pretrained_strict
        network.load_state_dict(pretrained_cfg_overlay['state_dict'] if pretrained_cfg_overlay else fetched(network))
    return network


def fetched(network):
    """What the stand-in has in the place of published weights."""
    return {key: torch.full_like(value, 0.01) for key, value in network.state_dict().items()}


def package():
    """The stand-in, as a module of the name timm."""
    module = ModuleType('timm')
    module.create_model = create_model
    module.list_models = lambda: sorted(NETWORKS)
    module.list_pretrained = lambda pattern: [f'{name}.a1_in1k' for name in NETWORKS if pattern == f'{name}.*']
    module.is_model = NETWORKS.__contains__
    module.get_pretrained_cfg = lambda name: NETWORKS[name.partition('.')[0]].cfg
    return module


@pytest.fixture
def save_timm_weights(timm, tmp_path):
    """A function: a network -> a file with weights of it, random ones."""

    def save(name, num_classes=None, **changes):
        torch.manual_seed(1)
        settings = {} if num_classes is None else dict(num_classes=num_classes)
        path = tmp_path / f'{name}.pth'
        torch.save({**timm.create_model(name, **settings).state_dict(), **changes}, path)
        return str(path)

    return save


@pytest.fixture(params=['stand-in', 'timm'])
def timm(request, monkeypatch):
    """The package timm: a stand-in, and timm itself where it is installed."""
    if request.param == 'timm':
        return pytest.importorskip('timm')
    monkeypatch.setitem(sys.modules, 'timm', package())
    return importlib.import_module('timm')
