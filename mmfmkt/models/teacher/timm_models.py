"""Networks of timm: their names, how they are built, and their weights."""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmfmkt.common.checkpoints import read_checkpoint

OWN = 'timm'  # the `teacher_ckpt` that stands for the weights which timm itself names and fetches
CPU_INDEX = 'https://download.pytorch.org/whl/cpu'  # of builds for machines without CUDA


def import_timm() -> Any:
    """The package timm.

    Raises:
        ImportError: if it is not installed, or if its torchvision is one for another PyTorch.
    """
    try:
        return importlib.import_module('timm')
    except Exception as error:  # a torchvision for another PyTorch fails with a RuntimeError
        raise ImportError(
            f'a TimmTeacher must find timm, and the torchvision that belongs to torch {torch.__version__}, but got '
            f'{type(error).__name__}: {error}; install both: {how_to_install()}'
        ) from error


def how_to_install() -> str:
    """A command that installs timm, and the torchvision of the PyTorch that is there; it leaves that as it is."""
    index = '' if torch.version.cuda else f' --extra-index-url {CPU_INDEX}'
    return f'pip install timm torch=={version("torch")}{index}'


def check_name(timm: Any, name: str) -> None:
    """Raise a ValueError if timm has no network, or no weights, of a name; it lists the closest."""
    architecture, _, tag = str(name).partition('.')
    known = timm.list_pretrained(f'{architecture}.*') if timm.is_model(architecture) else timm.list_models()
    if not timm.is_model(architecture) or tag and name not in known:
        closest = difflib.get_close_matches(str(name), known, 5, cutoff=0.4)
        raise ValueError(
            f'`model` of a TimmTeacher must be in timm.list_models() or timm.list_pretrained(), but got {name!r}; '
            f'the closest are {", ".join(closest or known[:5])}'
        )


def build_network(name: str, **settings: Any) -> Any:
    """A network of timm, an `nn.Module`, that reads images of any size, with its classifier unless `num_classes` is 0.

    Args:
        name: as 'resnet50', or with the name of its weights, as 'resnet50.a1_in1k'.
        settings: further arguments of `timm.create_model`; without any, weights are random and nothing is fetched.

    Raises:
        ImportError: if timm cannot be imported.
        ValueError: if there is no such network, or if it reads images of one size only, or gives no feature maps.
    """
    timm = import_timm()
    check_name(timm, name)
    # position embeddings are then interpolated
    any_size = dict(dynamic_img_size=True) if timm.get_pretrained_cfg(name).fixed_input_size else {}
    try:
        network = timm.create_model(name, **any_size, **settings)
    except TypeError as error:
        if 'dynamic_img_size' not in str(error):
            raise
        raise ValueError(
            f'`model` of a TimmTeacher must read images of any size, but {name} does not ({error}); take a ViT, Swin, '
            'ConvNeXt or ResNet'
        ) from error
    if not hasattr(network, 'forward_intermediates'):
        raise ValueError(
            f'`model` of a TimmTeacher must have feature maps between its layers (`forward_intermediates`), but {name} '
            'has none; take a ViT, Swin, ConvNeXt or ResNet'
        )
    return network


def read_weights(name: str, checkpoint: str | None) -> dict[str, Tensor]:
    """The weights of a network, under timm's names; the classifier may be among them.

    Args:
        name: of the network.
        checkpoint: 'timm' for those that timm names, which it fetches and keeps, or a file (.safetensors too) or an
            address. timm turns the formats that authors publish into its own. A file of another network is returned as
            it is.

    Raises:
        ValueError: if there is no checkpoint, if it cannot be read, or if timm names none.
        FileNotFoundError: if the file is not there.
        ConnectionError: if it cannot be fetched.
    """
    if not checkpoint:
        raise ValueError(
            f'`teacher_ckpt` of a TimmTeacher must be a file or an address of the weights of {name}, or {OWN!r} for '
            f'those that timm names, but got {checkpoint!r}; a teacher with random weights has nothing to teach'
        )
    if checkpoint == OWN:
        return fetch_weights(name)
    weights = read_file(checkpoint)
    source = dict(state_dict=dict(weights))
    try:
        loaded = build_network(name, pretrained=True, pretrained_strict=True, pretrained_cfg_overlay=source)
    except Exception:  # of another network, or with another classifier or none
        return weights
    return loaded.state_dict()


def fetch_weights(name: str) -> dict[str, Tensor]:
    """The weights that timm names for a network."""
    if not import_timm().get_pretrained_cfg(name).has_weights:
        raise ValueError(
            f'`teacher_ckpt` must be a file or an address, because timm names no weights of {name}, but got {OWN!r}'
        )
    try:
        return build_network(name, pretrained=True).state_dict()
    except Exception as error:  # each way of fetching has errors of its own
        raise ConnectionError(
            f'the weights that timm names for {name} could not be fetched ({type(error).__name__}: {error}); download '
            'them elsewhere and give the file as `teacher_ckpt`'
        ) from error


def read_file(checkpoint: str) -> dict[str, Tensor]:
    """The weights in a file or behind an address; nothing in it is executed."""
    if Path(checkpoint).suffix != '.safetensors' or not Path(checkpoint).exists():
        return read_checkpoint(checkpoint, '`teacher_ckpt`')[0]
    safetensors = importlib.import_module('safetensors.torch')  # a requirement of timm
    try:
        return safetensors.load_file(checkpoint)
    except Exception as error:
        raise ValueError(f'`teacher_ckpt` {checkpoint} could not be read; it is damaged: {error}') from error


def without_classifier(weights: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """The weights without those of the classifier, which a network that was trained on other classes has too."""
    named = network.pretrained_cfg.get('classifier') or ()
    names = [named] if isinstance(named, str) else named
    return {key: value for key, value in weights.items() if not key.startswith(tuple(f'{name}.' for name in names))}
