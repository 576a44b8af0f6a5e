"""Has `%autoreload` leave our own modules alone.

It looks at the file of each module that is imported, twice a cell, and in each kernel of ours there are some 200 more.
One that an upgrade has changed on the disk would be loaded into the running kernel, beside others that are not.

Law: what it tells of (`%aimport`), what it reloads of others, and what it is told to skip is as without us.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from kishu_kernel.objects.classes import contents_of, module_contents
from kishu_kernel.objects.shell_objects import running_shell

_EXTENSION = "IPython.extensions.autoreload"
_OURS = __name__.partition(".")[0]


def spare_our_modules() -> None:
    """From here on it does so, if it is there. Costs a look."""
    if _EXTENSION not in sys.modules:
        return
    reloader = module_contents(sys.modules[_EXTENSION]).get("ModuleReloader")
    usual = contents_of(reloader).get("check") if isinstance(reloader, type) else None
    if usual is not None and not hasattr(usual, "__wrapped__"):
        reloader.check = _without_ours(usual)  # type: ignore[union-attr]
    # After a cell it looks at what was imported since the last one: some of ours are, when they are needed.
    shell = running_shell()
    loaded = getattr(shell and shell.magics_manager.registry.get("AutoreloadMagics"), "loaded_modules", None)
    if isinstance(loaded, set):
        loaded.update(_ours())


def _without_ours(usual: Any) -> Any:
    @functools.wraps(usual)
    def check(self: Any, *args: Any, **options: Any) -> Any:
        skipped = self.skip_modules
        ours = _ours()
        self.skip_modules = meanwhile = {**skipped, **dict.fromkeys(ours, True)}
        try:
            return usual(self, *args, **options)
        finally:
            if self.skip_modules is meanwhile:
                self.skip_modules = skipped
            _take_over(meanwhile, skipped, ours)

    return check


def _ours() -> list[str]:
    return [name for name in list(sys.modules) if name == _OURS or name.startswith(f"{_OURS}.")]


def _take_over(meanwhile: dict[str, Any], skipped: dict[str, Any], ours: list[str]) -> None:
    """What a module that was loaded anew has told it to skip."""
    for name in meanwhile.keys() - skipped.keys() - set(ours):
        skipped[name] = meanwhile[name]
    for name in skipped.keys() - meanwhile.keys():
        del skipped[name]
