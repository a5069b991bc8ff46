"""Classes in the place of names, as pure Python configs have them, by the names that they are registered under."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import mmengine.registry
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry


def with_registered_names(config: Any) -> Any:
    """A config as a dict of its own with names for its classes.

    MMEngine writes a class as the path of its module, and does not find some again: the module of `L1Loss`,
    `smooth_l1_loss`, has the name of a function in the package around it.
    """
    if isinstance(config, dict):
        return {key: with_registered_names(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(map(with_registered_names, config))
    if isinstance(config, (LazyObject, LazyAttr)):
        config = config.build()
    if isinstance(config, type):
        return registered_name(config) or f'{config.__module__}.{config.__qualname__}'
    return copy.deepcopy(config)


def registered_name(cls: type) -> str | None:
    """'mmdet.L1Loss'; None for a class that is in no registry."""
    for root in vars(mmengine.registry).values():
        if isinstance(root, Registry):
            for registry in with_children(root):
                for name, registered in registry.module_dict.items():
                    if registered is cls:
                        return f'{registry.scope}.{name}'
    return None


def with_children(registry: Registry) -> Iterator[Registry]:
    yield registry
    for child in registry.children.values():
        yield from with_children(child)
