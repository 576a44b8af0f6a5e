"""The providers of ambient state that there are: those of libraries (Python's own are among them) and the user's."""

from __future__ import annotations

import sys
from collections.abc import Collection
from importlib import import_module
from typing import Any

from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.live_objects import can_be_imported
from kishu_kernel.objects.registry import registry

_registered: dict[str, Provider] = {}

_OURS = f"{__name__.partition('.')[0]}."


def register(provider: Provider) -> None:
    """Makes it part of every checkpoint from the next cell on. One of the same name is replaced.

    Raises:
        TypeError: it is no provider, or has no name.
    """
    if not isinstance(provider, Provider) or not provider.name:
        raise TypeError("what is registered is an instance of a subclass of `Provider`, with a name")
    _registered[provider.name] = provider
    _sorted.of = None


def provider_named(name: str) -> Provider | None:
    """The provider of this name, also where the session has not imported its library yet. None: nobody knows it."""
    return providers().get(name) or registry.provider_not_imported(name)


def providers() -> dict[str, Provider]:
    """Those of libraries that the session has imported and those of the user, by name, in the order they are written.

    What is drawn from comes first, then what is Python's own, then libraries; those of the user come last. The same
    dictionary as long as they are the same; nobody changes it.
    """
    libraries = registry.providers()
    if libraries is not _sorted.of:
        known = sorted(libraries.values(), key=lambda each: (not each.drawn, each.module))
        _sorted.of, _sorted.result = libraries, {**{each.name: each for each in known}, **_registered}
    return _sorted.result


class _Sorted:
    """The last result, for which is asked after every cell and which hardly ever changes: it is replaced then."""

    of: dict[str, Provider] | None = None
    result: dict[str, Provider] = {}  # noqa: RUF012


_sorted = _Sorted()


def imported_since(modules: int) -> bool:
    """Whether something was imported since so many modules were. Not of us: some is at any time, on any thread."""
    return any(type(each) is not str or not each.startswith(_OURS) for each in list(sys.modules)[modules:])


def import_all(modules: Collection[str]) -> None:
    """Imports what is not imported yet. What fails otherwise than by not being there is told."""
    for module in sorted(modules):
        if module not in sys.modules:
            try:
                import_module(module)
            except ImportError:  # told before
                continue
            except Exception as error:
                why = f"to import it fails ({type(error).__name__}: {error})"
                registry.tell_once(
                    module, f"What the notebook has set on {module}, or registered there, is gone: {why}."
                )


def lacking_part(provider: Provider | None, value: Any) -> str | None:
    """What part of a value cannot be written, as a clause for a person; None where all can."""
    if provider is None or not (provider.present or (provider.imports and value)):
        return None
    if not provider.present and not can_be_imported(provider.module.partition(".")[0]):
        return f"{provider.module} is not installed"
    return provider.lacking(value)
