"""IPython's shell, as cells set it: extensions, magics, settings, formatters, hooks.

What is kept is the difference from the shell that the kernel started with. What was set is a reference
(`objects.live_objects`): an undo takes it away, a redo puts that very object back.

Not the notebook's, and never moved: what IPython and this package registered, what loads itself when it is first used,
and what a library registers once in a process (`Library.registers_once`), since its code would not do so again.

What an extension registered belongs to it: in another kernel the extension is loaded, and brings its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings, lacking_references
from kishu_kernel.objects.ambient_state import PartlyWrittenError, Provider, Versions, copied, differs
from kishu_kernel.objects.libraries.traitlets import ConfiguredTraits
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.live_objects import Reference, can_be_imported, live_objects
from kishu_kernel.objects.shell_objects import (
    are_as_seen,
    are_same,
    configured_traits,
    is_of_extension,
    is_theirs,
    loaded_extensions,
    places_of_traits,
    plain_settings,
    reference_to,
    resolved,
    running_shell,
    sections_but,
    shell_places,
)
from kishu_kernel.process.muting import muted

_OWN = __name__.partition(".")[0]


class _OfShell(Provider):
    module = "IPython.core.interactiveshell"

    @property
    def present(self) -> bool:
        return running_shell() is not None


class _Extensions(_OfShell):
    """Names of those that were loaded, and of those that were unloaded."""

    name = "extensions of the shell"

    def __init__(self) -> None:
        self._base: frozenset[str] = frozenset()

    def start(self) -> None:
        self._base = self._loaded()

    def places(self) -> Iterable[Any] | None:
        return [*shell_places("extension_manager"), (running_shell().extension_manager, "loaded")]

    def read(self) -> Any:
        loaded = self._loaded()
        if loaded == self._base:
            return (), ()
        added = tuple(sorted(loaded - self._base))
        loaded_extensions.extend(each for each in added if each not in loaded_extensions)
        return added, tuple(sorted(self._base - loaded))

    def write(self, value: Any) -> None:
        manager = running_shell().extension_manager
        wanted = self._base.union(value[0]) - set(value[1])
        manager.loaded -= self._loaded() - wanted  # what they have registered is taken away by its own kind of state
        failed = []
        for each in sorted(wanted - manager.loaded):
            if each in loaded_extensions or each in self._base:
                manager.loaded.add(each)
                continue
            try:
                with muted():  # it is library code, as an import is
                    manager.load_extension(each)
                loaded_extensions.append(each)
            except Exception as error:
                failed.append(f"{each} ({type(error).__name__}: {error})")
        if failed:
            raise PartlyWrittenError(", ".join(failed))

    def initial(self) -> Any:
        return (), ()

    def lacking(self, value: Any) -> str | None:
        missing = [each for each in value[0] if each not in loaded_extensions and not can_be_imported(each)]
        return f"the extension {missing[0]} is not to be found" if missing else None

    def _loaded(self) -> frozenset[str]:
        return frozenset(each for each in running_shell().extension_manager.loaded if each.partition(".")[0] != _OWN)


class _Magics(_OfShell):
    """Aliases are among them. By kind and name; None: it is gone."""

    name = "magics of the shell"
    refers = True

    def __init__(self) -> None:
        self._base: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._versions = Versions()

    def start(self) -> None:
        self._base = {kind: dict(found) for kind, found in self._now().items()}
        self._seen, self._changed, self._versions = dict(self._base), {}, Versions()

    def places(self) -> Iterable[Any] | None:
        return [*shell_places("magics_manager"), *places_of_traits(running_shell().magics_manager, "magics")]

    def read(self) -> Any:
        changed = {}
        for kind, now in self._now().items():
            if self._versions.is_other(kind, now) and not are_as_seen(now, self._seen.get(kind, {})):
                self._seen[kind] = dict(now)
                self._changed[kind] = _difference(now, self._base.setdefault(kind, {}))
            if found := self._changed.get(kind):
                changed[kind] = {name: None if each is None else reference_to(each) for name, each in found.items()}
        return changed

    def write(self, value: Any) -> None:
        for kind, now in self._now().items():
            base = self._base.setdefault(kind, {})
            _difference(now, base)  # what has loaded itself meanwhile is part of it
            wanted = dict(base)
            for name, reference in value.get(kind, {}).items():
                with suppress(LookupError):  # told before
                    if reference is None:
                        wanted.pop(name, None)
                    else:
                        wanted[name] = resolved(reference, now.get(name))
            now.clear()
            now.update(wanted)

    def initial(self) -> Any:
        return {}

    def lacking(self, value: Any) -> str | None:
        return lacking_references(list(value.values()))

    def _now(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = running_shell().magics_manager.magics
        return found


def _difference(now: MutableMapping[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """What differs, by name; None: it is gone. What is IPython's own, or a library's, becomes part of the base."""
    base.update({name: each for name, each in now.items() if base.get(name) is not each and is_theirs(each)})
    found = {name: each for name, each in now.items() if base.get(name) is not each}
    return found | dict.fromkeys(base.keys() - now.keys())


class _Configured(ConfiguredTraits):
    """What `%config` sets of the shell, of its parts and of its formatters; and of what is made later, as figures."""

    name = "settings of the shell"
    later = "what is made later"
    left_out = frozenset({"HistoryManager", "banner1", "banner2", "ipython_dir", "type_printers"})
    left_out |= {"deferred_printers", "singleton_printers"}

    @property
    def present(self) -> bool:
        return running_shell() is not None

    def places(self) -> Iterable[Any] | None:
        shell = running_shell()
        traits = [part for each in self.parts() for part in places_of_traits(each, *self._names_of(each))]
        formatters = places_of_traits(shell.display_formatter, "formatters")
        sections = [shell.config, *sections_but(frozenset()).values()]  # one that is left out could not be looked into
        return [*shell_places("display_formatter", "config"), (shell, "configurables"), *formatters, *traits, *sections]

    def parts(self) -> Iterator[Any]:
        shell = running_shell()
        yield from shell.configurables
        yield from shell.display_formatter.formatters.values()

    def __init__(self) -> None:
        super().__init__()
        self._base: dict[str, dict[str, Any]] = {}
        self._known: frozenset[str] = frozenset()

    def start(self) -> None:
        super().start()
        self._known = frozenset(name for each in self.parts() for name in each.section_names())
        self._base = self._later()

    def read(self) -> Any:
        now, base = self._later(), self._base
        others = {name: now.get(name, {}) for name in now | base if differs(now.get(name), base.get(name))}
        return {**super().read(), **({self.later: others} if others else {})}

    def write(self, value: Any) -> None:
        wanted, now = {**self._base, **value.get(self.later, {})}, self._later()
        for name in now | wanted:
            section, setting = running_shell().config[name], wanted.get(name, {})
            for each in now.get(name, {}).keys() - setting.keys():
                del section[each]
            section.update(copied(setting))
        super().write(value)

    def configured(self, part: Any) -> dict[str, Any]:
        return configured_traits(part, self._later())

    def _later(self) -> dict[str, dict[str, Any]]:
        return plain_settings(sections_but(self._known))


class _Formatters(_OfShell):
    """What formats objects of a class, by type of output. Whether a class is imported yet makes no difference."""

    name = "formatters of the shell"
    refers = True

    def __init__(self) -> None:
        self._base: dict[str, tuple[dict[Any, Any], dict[Any, Any]]] = {}
        self._seen: dict[str, tuple[tuple[dict[Any, Any], dict[Any, Any]], list[tuple[Any, Any]]]] = {}
        self._versions = Versions()

    def start(self) -> None:
        self._base = {mime: _printers(each) for mime, each in self._all()}
        self._seen = {mime: (base, []) for mime, base in self._base.items()}
        self._versions = Versions()

    def places(self) -> Iterable[Any] | None:
        formatter = running_shell().display_formatter
        names = ("formatters", "ipython_display_formatter", "mimebundle_formatter")
        each = [
            part for _, each in self._all() for part in places_of_traits(each, "type_printers", "deferred_printers")
        ]
        return [*shell_places("display_formatter"), *places_of_traits(formatter, *names), *each]

    def read(self) -> Any:
        found = {}
        for mime, formatter in self._all():
            changed = self._changed(mime, formatter)
            if changed:
                pairs = [(_class_reference(key), None if each is None else reference_to(each)) for key, each in changed]
                found[mime] = dict(pairs)
        return found

    def write(self, value: Any) -> None:
        for mime, formatter in self._all():
            base = _by_class(self._base.get(mime, ({}, {})))
            wanted = value.get(mime, {})
            now = {_class_reference(key): (key, each) for key, each in self._changed(mime, formatter)}
            for reference, (key, _) in now.items():
                if reference not in wanted:
                    _set_printer(formatter, key, base.get(reference))
            for reference, how in wanted.items():
                with suppress(LookupError):  # told before
                    registered = now.get(reference, (None, None))[1]
                    _set_printer(formatter, _class_of(reference), how and resolved(how, registered))

    def initial(self) -> Any:
        return {}

    def lacking(self, value: Any) -> str | None:
        return lacking_references([list(each.values()) for each in value.values()])  # a class may still be imported

    def _all(self) -> Iterator[tuple[str, Any]]:
        formatter = running_shell().display_formatter
        yield from formatter.formatters.items()
        yield "display", formatter.ipython_display_formatter
        yield "bundle", formatter.mimebundle_formatter

    def _changed(self, mime: str, formatter: Any) -> list[tuple[Any, Any]]:
        """Pairs of a class, or of its name, and its printer; None: it is gone."""
        held = _held(formatter)
        seen, changed = self._seen.get(mime, (None, []))
        if self._versions.is_other(mime, *held) and (seen is None or not all(map(are_as_seen, held, seen))):
            now, base = _by_class(held), _by_class(self._base.setdefault(mime, _printers(formatter)))
            keys = {_class_reference(key): key for printers in (*self._base[mime], *held) for key in printers}
            changed = [
                (keys[each], now.get(each))
                for each in keys
                if now.get(each) is not base.get(each)
                and not is_theirs(base.get(each) if now.get(each) is None else now[each])
            ]
            self._seen[mime] = _printers(formatter), changed
        return changed


def _held(formatter: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    held = formatter._trait_values  # as it asks itself, which takes ten times as long
    if "type_printers" not in held or "deferred_printers" not in held:
        return formatter.type_printers, formatter.deferred_printers
    return held["type_printers"], held["deferred_printers"]


def _printers(formatter: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    types, deferred = _held(formatter)
    return dict(types), dict(deferred)


def _by_class(printers: tuple[dict[Any, Any], dict[Any, Any]]) -> dict[Reference, Any]:
    return {_class_reference(key): each for held in reversed(printers) for key, each in held.items()}


def _class_reference(key: Any) -> Reference:
    return ("global", *key) if type(key) is tuple else live_objects.reference(key)


def _class_of(reference: Reference) -> Any:
    """The class, or its module and name where it is not imported."""
    is_there = reference[0] != "global" or reference[1] in sys.modules
    return live_objects.resolve(reference) if is_there else reference[1:]


def _set_printer(formatter: Any, key: Any, printer: Any) -> None:
    name = key if type(key) is tuple else (key.__module__, key.__qualname__)
    formatter.deferred_printers.pop(name, None)
    formatter.type_printers.pop(key, None)
    if printer is not None:
        (formatter.deferred_printers if type(key) is tuple else formatter.type_printers)[key] = printer


class _Hooks(_OfShell):
    """What is called before and after cells, what transforms their code, and whom `%config` knows: lists."""

    name = "hooks of the shell"
    refers = True

    def __init__(self) -> None:
        self._base: dict[str, list[Any]] = {}

    def start(self) -> None:
        self._base = {name: list(each) for name, each in self._all()}

    def places(self) -> Iterable[Any] | None:
        shell = running_shell()
        lists = ("input_transformer_manager", "input_transformers_post", "ast_transformers")
        manager = shell.input_transformer_manager
        return [
            *shell_places(*lists),
            (shell, "events", "configurables"),
            (shell.events, "callbacks"),
            (manager, "line_transforms", "token_transformers", "cleanup_transforms"),
        ]

    def read(self) -> Any:
        found = {}
        for name, now in self._all():
            base = self._base.setdefault(name, list(now))
            if not are_same(now, base):
                places = {id(each): number for number, each in enumerate(base)}
                own = [each for each in now if id(each) in places or not is_theirs(each)]
                if not are_same(own, base):
                    found[name] = tuple(
                        ("of the shell", places[id(each)]) if id(each) in places else reference_to(each) for each in own
                    )
        return found

    def write(self, value: Any) -> None:
        for name, now in self._all():
            base = self._base.setdefault(name, list(now))
            known = set(map(id, base))
            added = [each for each in now if id(each) not in known]
            theirs = [each for each in added if is_theirs(each)]
            registered = [each for each in added if is_of_extension(each)]
            wanted = list(base) if name not in value else list(self._resolved(value[name], base, registered))
            now[:] = [*wanted, *theirs]

    def initial(self) -> Any:
        return {}

    def lacking(self, value: Any) -> str | None:
        return lacking_references(list(value.values()))

    @staticmethod
    def _resolved(references: Any, base: list[Any], registered: list[Any]) -> Iterator[Any]:
        for kind, *rest in references:
            with suppress(LookupError):  # told before; and another version of IPython has other ones of its own
                if kind == "of the shell":
                    yield base[rest[0]]
                    continue
                unknown = kind == "of extension" and live_objects.known(*rest) is None
                yield resolved((kind, *rest), registered.pop(0) if unknown and registered else None)

    @staticmethod
    def _all() -> Iterator[tuple[str, list[Any]]]:
        shell = running_shell()
        yield from shell.events.callbacks.items()
        manager = shell.input_transformer_manager
        yield "transformers of lines", manager.line_transforms
        yield "transformers of tokens", manager.token_transformers
        yield "transformers of text", manager.cleanup_transforms
        yield "last transformers of text", shell.input_transformers_post
        yield "transformers of syntax trees", shell.ast_transformers
        yield "what can be configured", shell.configurables


_TRACEBACKS = {
    "mode": Setting(
        lambda: running_shell().InteractiveTB.mode,
        lambda mode: running_shell().InteractiveTB.set_mode(mode),
        places=lambda: [*shell_places(), (running_shell(), "InteractiveTB"), (running_shell().InteractiveTB, "mode")],
    ),
    "debugger": Setting(
        lambda: running_shell().call_pdb,
        lambda on: setattr(running_shell(), "call_pdb", on),
        places=lambda: [(running_shell(), "_call_pdb")],
    ),
}


class _Tracebacks(Settings):
    @property
    def present(self) -> bool:
        return running_shell() is not None


def _reloader(name: str) -> Setting:
    def reloader() -> Any:
        return running_shell().magics_manager.magics["line"]["autoreload"].__self__._reloader

    usual: Any = {} if name.endswith("modules") else False
    return Setting(lambda: getattr(reloader(), name), lambda to: setattr(reloader(), name, to), lambda: usual)


_RELOADING = ("enabled", "check_all", "autoload_obj", "hide_errors", "modules", "skip_modules")


class IPython(Library):
    """The shell goes by reference: see `libraries.ipykernel`."""

    ambient = (
        _Extensions(),
        _Magics(),
        _Configured(),
        _Tracebacks("tracebacks of the shell", "IPython.core.interactiveshell", _TRACEBACKS),
        _Formatters(),
        _Hooks(),
        Settings("reloading of modules", "IPython.extensions.autoreload", {n: _reloader(n) for n in _RELOADING}),
    )
