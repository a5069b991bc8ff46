"""A wrapper whose state dict has the keys of what it wraps."""

from torch import nn


def show_child_as_own(wrapper: nn.Module, child: str) -> None:
    """Let the entries of `wrapper.<child>` stand in the state dict of `wrapper` without the prefix `<child>.`.

    A wrapped detector or neck then saves and loads under the keys of the stock one. The other children of `wrapper`
    keep their prefixes, which must not be names of children of the wrapped module. Both PyTorch's and MMEngine's
    own `state_dict` and `load_state_dict` call these hooks.
    """

    def drop_prefix(module: nn.Module, state_dict: dict, prefix: str, local_metadata: dict) -> None:
        inner = f'{prefix}{child}.'
        for key in [key for key in state_dict if key.startswith(prefix)]:  # all of them, to keep their order
            value = state_dict.pop(key)
            state_dict[prefix + key[len(inner) :] if key.startswith(inner) else key] = value

    def add_prefix(module: nn.Module, state_dict: dict, prefix: str, *args: object) -> None:
        others = tuple(f'{prefix}{name}.' for name, _ in module.named_children() if name != child)
        for key in [key for key in state_dict if key.startswith(prefix) and not key.startswith(others)]:
            state_dict[f'{prefix}{child}.{key[len(prefix) :]}'] = state_dict.pop(key)

    # the public names of these two are younger than torch 2.4
    wrapper._register_state_dict_hook(drop_prefix)
    wrapper._register_load_state_dict_pre_hook(add_prefix, with_module=True)
