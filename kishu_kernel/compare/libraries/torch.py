"""Tensors and modules of PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from kishu_kernel.compare.arrays import BLOCK, Block, Flat, elements, in_one_line, shape_text
from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import same, state_of
from kishu_kernel.compare.objects import added_and_removed


def tensors(before: Any, after: Any, findings: Findings) -> None:
    """As for arrays, and where they are."""
    if findings.path:
        in_one_line(before, after, findings, tensors)
        return
    findings.add("shape", shape_text(tuple(before.shape)), shape_text(tuple(after.shape)))
    for aspect in ("dtype", "device", "requires_grad", "layout"):
        findings.add(aspect, str(getattr(before, aspect)), str(getattr(after, aspect)))
    one, other = _flat_tensor(before), _flat_tensor(after)
    if one is None or other is None:
        findings.note("Tensors that are not dense, or have no numbers here, are not compared element by element.")
    else:
        elements(one, other, findings)


def _flat_tensor(tensor: Any) -> Flat | None:
    torch = sys.modules["torch"]
    if tensor.layout is not torch.strided and tensor.numel() <= BLOCK:
        tensor = tensor.to_dense()
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type == "meta":
        return None
    line = tensor.detach().reshape(-1)
    exact = line.dtype not in (torch.bfloat16, torch.complex32)

    def block(start: int, stop: int) -> Block:
        part = line[start:stop].resolve_conj().resolve_neg().cpu()
        return (part if exact else part.to(torch.float32)).numpy()

    return Flat(tuple(tensor.shape), block)


# -- modules ---------------------------------------------------------------------------------------------


def networks(before: Any, after: Any, findings: Findings) -> None:
    """Parameters and buffers by the names that `state_dict` gives them; other attributes of each module."""
    one, other = dict(_tensors(before)), dict(_tensors(after))
    added_and_removed("parameters", one, other, findings)
    both = [name for name in one if name in other]
    differing = [name for name in both if not _same_tensor(one[name], other[name])]
    findings.add("parameters that differ", "", f"{len(differing):,} of {len(both):,}" if differing else "")
    findings.parts(((f".{name}", one[name], other[name]) for name in differing), "parameters")
    settings = dict(_settings(before)), dict(_settings(after))
    findings.parts(
        ((f".{name}", settings[0][name], settings[1][name]) for name in settings[0] if name in settings[1]), "settings"
    )


def _tensors(network: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    state = state_of(network)
    for held in (state.get("_parameters"), state.get("_buffers")):
        for name, tensor in dict(held or {}).items():  # type: ignore[call-overload]
            if tensor is not None:
                yield f"{path}{name}", tensor
    for name, part in _modules(state):
        yield from _tensors(part, f"{path}{name}.")


def _settings(network: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    state = state_of(network)
    for name, held in state.items():
        if not name.startswith("_"):
            yield f"{path}{name}", held
    for name, part in _modules(state):
        yield from _settings(part, f"{path}{name}.")


def _modules(state: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, part) for name, part in dict(state.get("_modules") or {}).items() if part is not None]


def _same_tensor(one: Any, other: Any) -> bool:
    """Quicker than by their digests: storage is pickled whole."""
    torch: Any = sys.modules["torch"]
    try:
        return bool(
            one.dtype == other.dtype
            and one.device == other.device
            and one.requires_grad == other.requires_grad
            and torch.equal(one.detach(), other.detach())
        )
    except Exception:  # kinds of tensors that cannot be compared
        return same(one, other)
