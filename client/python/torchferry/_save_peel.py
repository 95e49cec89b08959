"""Finds the module inside the wrappers that training puts around it.

Wrappers are recognised by the names of their classes, so that this imports nothing that the caller has not imported.
The caller's model does not change. Where a part inside it must go, a new module of the same class shares its parameters
and buffers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from torchferry._save_report import Report, SaveError

# The class of each wrapper, and the attribute that holds the module inside.
_INNER: dict[str, str] = {
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.optim.swa_utils.AveragedModel": "module",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.CheckpointWrapper": "_checkpoint_wrapped_module",
    "lightning.fabric.wrappers._FabricModule": "_original_module",
    "lightning_fabric.wrappers._FabricModule": "_original_module",
    "ema_pytorch.ema_pytorch.EMA": "ema_model",
    "timm.utils.model_ema.ModelEma": "ema",
    "timm.utils.model_ema.ModelEmaV2": "module",
    "timm.utils.model_ema.ModelEmaV3": "module",
}
_FSDP = "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel"
_LIGHTNING = (
    "lightning.pytorch.core.module.LightningModule",
    "pytorch_lightning.core.module.LightningModule",
)
# Attributes by which a Lightning module refers to its training run. They are no part of the model.
_RUN_REFERENCES = ("_trainer", "_fabric")


@contextlib.contextmanager
def peeled(model: nn.Module, report: Report) -> Iterator[nn.Module]:
    """Gives `model` without its wrappers, at the top and inside, for the block.

    The parameters are the caller's own, on their devices. Every process gathers the whole parameters of FSDP1 while the
    block runs, and all processes must enter it. `report` gets a sentence for each wrapper that is removed. Raises
    SaveError for parameters that are on the meta device, or DTensors.
    """
    with contextlib.ExitStack() as stack:
        if is_sharded(model):
            from torch.distributed.fsdp import FullyShardedDataParallel

            stack.enter_context(FullyShardedDataParallel.summon_full_params(model, writeback=False))
            report.say("the parameters of FullyShardedDataParallel were gathered: the whole model is saved")
        module = _Peeler(report).peel(model, "")
        _check_tensors(module)
        yield module


def is_sharded(model: nn.Module) -> bool:
    """Whether FSDP1 has the model in shards. All processes must then take part in saving it."""
    return any(_is(module, _FSDP) for module in model.modules())


class _Peeler:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._done: dict[int, nn.Module] = {}

    def peel(self, module: nn.Module, path: str) -> nn.Module:
        """`module`, or its replacement where it is a wrapper or has one inside."""
        if id(module) in self._done:
            return self._done[id(module)]
        inner = self._inner(module, path)
        if inner is not None:
            result = self.peel(inner, path)
        else:
            result = self._rebuilt(module, path)
        self._done[id(module)] = result
        return result

    def _inner(self, module: nn.Module, path: str) -> nn.Module | None:
        for name, attribute in (*_INNER.items(), (_FSDP, "module")):
            if not _is(module, name):
                continue
            inner = getattr(module, attribute)
            where = f" at {path}" if path else ""
            self._report.say(
                f"{name.rpartition('.')[2]}{where} was taken away: {type(inner).__name__} inside it is saved"
            )
            if not isinstance(inner, nn.Module):
                raise SaveError(f"{type(module).__name__}{where} holds a {type(inner).__name__} and no torch.nn.Module")
            return inner
        return None

    def _rebuilt(self, module: nn.Module, path: str) -> nn.Module:
        children = {
            name: self.peel(child, f"{path}.{name}" if path else name) if child is not None else None
            for name, child in module._modules.items()
        }
        changed = any(children[name] is not child for name, child in module._modules.items())
        changes: dict[str, Any] = {"_modules": children} if changed else {}
        if module.__dict__.get("_compiled_call_impl") is not None:
            changes["_compiled_call_impl"] = None
            self._report.say("compile() was called on the model: what it compiled is saved as it was written")
        if any(_is(module, name) for name in _LIGHTNING):
            references = {name: None for name in _RUN_REFERENCES if module.__dict__.get(name) is not None}
            changes |= references
            self._report.say(
                "the LightningModule is saved as a model: its forward and weights"
                + (", without its trainer" if references else "")
            )
        return alike(module, changes) if changes else module


def alike(module: nn.Module, changes: dict[str, Any]) -> nn.Module:
    """A module of the same class with the same attributes, parameters and buffers, except for `changes`."""
    cls: Any = type(module)
    twin: nn.Module = cls.__new__(cls)
    twin.__dict__ = dict(module.__dict__)
    twin.__dict__.update(changes)
    own: Callable[..., Any] | None = module.__dict__.get("forward")
    # A forward that somebody has set on the object is bound to that object, and must be bound to the new one.
    if own is not None and "forward" not in changes and getattr(own, "__self__", None) is module:
        twin.__dict__["forward"] = own.__func__.__get__(twin)  # type: ignore[attr-defined]
    return twin


def _is(module: nn.Module, name: str) -> bool:
    return any(f"{cls.__module__}.{cls.__qualname__}" == name for cls in type(module).__mro__)


def _check_tensors(module: nn.Module) -> None:
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if type(tensor).__name__ == "DTensor" or type(getattr(tensor, "data", None)).__name__ == "DTensor":
            raise SaveError(
                f"parameter {name} is a DTensor, a shard of it on each process; gather the weights with "
                "torch.distributed.checkpoint.state_dict.get_model_state_dict(model, options=StateDictOptions("
                "full_state_dict=True)), load them into a model that was not sharded, and save that"
            )
        if tensor.device.type == "meta":
            raise SaveError(
                f"{name} is on the meta device and has no values; load the weights before you save the model"
            )


def devices_of(module: nn.Module) -> list[torch.device]:
    """The devices of the parameters and buffers, the one with most bytes first. Without a tensor it is the CPU."""
    sizes: dict[torch.device, int] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        sizes[tensor.device] = sizes.get(tensor.device, 0) + tensor.numel() * tensor.element_size()
    return sorted(sizes, key=lambda device: -sizes[device]) or [torch.device("cpu")]


def floating_dtypes_of(module: nn.Module) -> list[torch.dtype]:
    """The floating types of the parameters and buffers, the one with most bytes first."""
    sizes: dict[torch.dtype, int] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.numel() * tensor.element_size()
    return sorted(sizes, key=lambda dtype: -sizes[dtype])
