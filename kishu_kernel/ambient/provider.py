"""The providers of ambient state that there are: those of libraries, ours, and those that users register."""

from __future__ import annotations

from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.registry import registry

_registered: dict[str, Provider] = {}


def register(provider: Provider) -> None:
    """Makes it part of every checkpoint from the next cell on. One of the same name is replaced.

    Raises:
        TypeError: it is no provider, or has no name.
    """
    if not isinstance(provider, Provider) or not provider.name:
        raise TypeError("what is registered is an instance of a subclass of `Provider`, with a name")
    _registered[provider.name] = provider


def provider_named(name: str) -> Provider | None:
    """The provider of this name, also where the session has not imported its library yet. None: nobody knows it."""
    return providers().get(name) or registry.provider_not_imported(name)


def providers() -> dict[str, Provider]:
    """Those of the package and those of the user, by name."""
    from kishu_kernel.ambient.builtin import BUILTIN

    return {**BUILTIN, **registry.providers(), **_registered}
