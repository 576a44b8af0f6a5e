"""PyYAML: what it writes for objects of other classes, and what it makes of tags."""

from __future__ import annotations

from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registrations import Registrations, mapping

# Bases come first: classes that derive from them have what is registered with them.
_WRITERS = ("SafeRepresenter", "Representer", "Dumper", "SafeDumper", "CDumper", "CSafeDumper")
_READERS = (
    *("SafeConstructor", "FullConstructor", "SafeLoader", "FullLoader", "UnsafeLoader", "Loader"),
    *("CSafeLoader", "CLoader"),
)
_MANY = ("Dumper", "SafeDumper", "SafeLoader", "FullLoader", "Loader")
"""Those with which people register something for all classes that derive from one, or for all tags that begin alike."""
_HOMES = {"Representer": "yaml.representer", "Constructor": "yaml.constructor"}


def _path(kind: str, attribute: str) -> str:
    home = next((module for name, module in _HOMES.items() if kind.endswith(name)), "yaml")
    return f"{home}:{kind}.{attribute}"


_REGISTRIES = {
    f"{kept} of {kind}": mapping(_path(kind, f"yaml_{kept}"))
    for kinds, kept in (
        (_WRITERS, "representers"),
        (_READERS, "constructors"),
        ([each for each in _MANY if each in _WRITERS], "multi_representers"),
        ([each for each in _MANY if each in _READERS], "multi_constructors"),
    )
    for kind in kinds
}


class Yaml(Library):
    """Its registries are attributes of its classes."""

    ambient = (Registrations("registrations with yaml", "yaml", _REGISTRIES),)
