"""What streams call for objects of particular libraries.

Of a library that is taught from outside these functions stand in its own file; those here have names that are stored.
"""

from __future__ import annotations

import uuid
from typing import Any

from kishu_kernel.objects.rebuild.instances import mro_of, set_instance_state, vars_of


def set_optimizer_state(obj: Any, state: tuple[dict[str, Any], Any, list[tuple[Any, int]]]) -> None:
    """Of an optimizer of Keras': its attributes, and the numbers of its variables, which it finds by their own keys."""
    attributes, kind, numbers = state
    obj.__dict__.update(attributes)
    obj.__dict__["_trainable_variables_indices"] = kind({obj._var_key(each): number for each, number in numbers})


def new_name() -> str:
    """A name that nobody has, for what would else be taken for the one of this name that lives here."""
    return str(uuid.uuid4())


def storage_array(storage: Any, dtype: Any) -> Any:
    """A numpy array over the memory of an untyped storage of PyTorch's, its items as long as those of the dtype."""
    import torch  # type: ignore[import-not-found,unused-ignore]

    numbers = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    width = 1 if dtype is None else dtype.itemsize
    items = torch.empty(0, dtype=numbers.get(width, torch.uint8), device="cpu")
    return items.set_(storage).numpy()


def load_storage(array: Any, dtype: Any) -> Any:
    """A storage of PyTorch's over the memory of a numpy array; an untyped one where there is no dtype."""
    import torch

    storage = torch.from_numpy(array.view("B")).untyped_storage()
    if dtype is None:
        return storage
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def set_tensor_state(tensor: Any, state: tuple[Any, Any]) -> None:
    """What a tensor's own reduction tells besides its values, and its gradient, which that leaves out."""
    own, gradient = state
    if own is not None:
        tensor.__setstate__(own)
    tensor.grad = gradient


def set_traits(
    obj: Any, state: tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, list[Any]]], dict[str, Any]]
) -> None:
    """Of an object with traits: its attributes, what observes its traits, and what validates them.

    Each of these stands in a tuple, or is the name of a handler that the class has.
    """
    own, slots, observers, validators = state
    found = {
        trait: {change: [each for called in calls for each in _handler(obj, called)] for change, calls in kinds.items()}
        for trait, kinds in observers.items()
    }
    checked = {trait: each for trait, called in validators.items() for each in _handler(obj, called)}
    live = {"_trait_notifiers": found, "_trait_validators": checked, "_cross_validation_lock": False}
    set_instance_state(obj, ({**own, **live}, slots))


def _handler(obj: Any, called: Any) -> list[Any]:
    """What a tuple holds, or the class has under a name; none where it has it no more."""
    if type(called) is tuple:
        return list(called)
    return [vars_of(base)[called] for base in mro_of(type(obj)) if called in vars_of(base)][:1]


def pixels_of(image: Any) -> Any:
    """What reads and writes the pixels of an image of Pillow's."""
    return image.load()


def part_of_shell(name: str, mime: str | None = None) -> Any:
    """What the live shell of IPython holds under this name, or its formatter for this type."""
    from IPython.core.getipython import get_ipython

    held = getattr(get_ipython(), name)
    return held if mime is None else held.formatters[mime]


def set_job_state(job: Any, state: tuple[dict[str, Any], list[str]]) -> None:
    """Of a background job of IPython's: it evaluates its text where cells run."""
    from IPython.core.getipython import get_ipython

    kept, theirs = state
    job.__dict__.update(kept, **dict.fromkeys(theirs, getattr(get_ipython(), "user_ns", None)))
