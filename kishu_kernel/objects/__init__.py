"""How an object comes apart, is stored as bytes, and comes together again.

What is known of libraries is open: see `docs/libraries.md`.
"""

from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registry import registry

__all__ = ["Library", "register"]

register = registry.register
