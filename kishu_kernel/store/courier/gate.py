"""A remote whose every call waits until it may begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kishu_kernel.store.remote.objects import Listed, Objects


class GatedObjects:
    """As `Objects`.

    Args:
        objects: the remote.
        enter: called before each call; waits until that may begin, or raises what ends the work.
    """

    def __init__(self, objects: Objects, enter: Callable[[], None]) -> None:
        self.url = objects.url
        self._objects = objects
        self._enter = enter

    def get(self, name: str) -> bytes:
        """As in `Objects`."""
        self._enter()
        return self._objects.get(name)

    def get_parts(self, name: str, parts: Sequence[tuple[int, int]]) -> Sequence[bytes | memoryview]:
        """As in `Objects`."""
        self._enter()
        return self._objects.get_parts(name, parts)

    def exists(self, name: str) -> bool:
        """As in `Objects`."""
        self._enter()
        return self._objects.exists(name)

    def put(self, name: str, data: bytes) -> None:
        """As in `Objects`."""
        self._enter()
        self._objects.put(name, data)

    def create(self, name: str, data: bytes) -> bool:
        """As in `Objects`."""
        self._enter()
        return self._objects.create(name, data)

    def list(self, prefix: str) -> Iterator[Listed]:
        """As in `Objects`."""
        self._enter()
        return self._objects.list(prefix)

    def delete(self, name: str) -> None:
        """As in `Objects`."""
        self._enter()
        self._objects.delete(name)
