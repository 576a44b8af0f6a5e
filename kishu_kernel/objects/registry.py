"""Which libraries are known, and what is known of a class: the one place where their tables are looked up.

A library's file is found by its name and imported when the session has imported that library:

1. what was given to `register`, and what packages name in the entry-point group `kishu_kernel.libraries`;
2. ours: `objects/libraries/NAME.py`, and `objects/libraries/standard/`, which is always there.

Files of ours that speak of nothing but classes (`libraries.LATE`) wait for the first question about one: a session with
plain values asks none.

Where both say something of a class, those of 1 are believed; what they say nothing of, ours still answer.

Law: no error of a library's file reaches a cell. It is told once (`complaints`), and its answer is "nothing is known".
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects import libraries
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.classes import is_genuine, module_name, mro_of, qualified_name
from kishu_kernel.objects.installed import entry_points, modules_of
from kishu_kernel.objects.libraries import standard
from kishu_kernel.objects.library import REGISTERING_ONCE, SETS, TABLES, Library, WithMemo, check, places_of
from kishu_kernel.objects.native_rules import with_rule_of
from kishu_kernel.process.audit_hook import allowed_in_process, allowed_on_this_thread
from kishu_kernel.process.interrupts import uninterrupted
from kishu_kernel.process.native import dict_version, type_version

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "kishu_kernel.libraries"
"""Entry points: the name is the import name of the library, the value a subclass of `Library`, or an instance."""

_REDUCTIONS = ("reductions", "exact_reductions", "classes")
_LOOKS = ("visible_state", "setup", "exposed_memory", "guests")
"""What these raise in our files says that this object cannot be seen: one that was closed, released, or taken apart."""
_OF_THE_OBJECT = (OSError, ValueError, ReferenceError, RuntimeError)
"""What these say where our files take an object apart is how it is just now: a pipe, closed, dead, being changed."""
_WORDS = "Kishu does not use what {} says of its objects ({})."


@dataclass(frozen=True, slots=True)
class Entry:
    """What a library says of a class.

    Attributes:
        answer: what stands in its table.
        library: which says it.
    """

    answer: Any
    library: Library


Said = tuple[int, bool, dict[str, Entry]]
"""Which base of a class (0: itself); whether it is named, and not with a star; what is said of it, by the questions."""


class Registry:
    """The libraries that are known to this process."""

    def __init__(self) -> None:
        self.generation = 0
        """Another one whenever a library was added: what was worked out of a class before may be wrong."""
        self._ours: list[Library] = []
        self._theirs: list[Library] = []
        self._registered: list[Library] = []
        self._waiting: dict[str, list[Callable[[], None]]] | None = None  # by the package that is not imported yet
        self._late: list[Callable[[], None]] = []  # they wait for the first question about a class
        self._modules: object = None
        self._lock = threading.RLock()
        self._tables: dict[tuple[str, str], dict[str, Entry]] = {}
        self._found: dict[int, tuple[weakref.ref[type], object, tuple[Said, ...]]] = {}  # by the ids of classes
        self._traits: dict[str, tuple[int, frozenset[str]]] = {}
        self._with_current: list[Library] = []
        self._providers: tuple[int, dict[str, Provider]] = (-1, {})
        self._by_package: tuple[int, dict[str, list[Library]]] = (-1, {})
        self._complaints: list[str] = []
        self._told: set[str] = set()

    # -- who is known ---------------------------------------------------------------------------

    def register(self, library: Library) -> None:
        """Makes a library known, from the next cell on. One for the same class comes before those that are there.

        Raises:
            TypeError: it is no `Library`, it has no packages, or its tables cannot be read.
        """
        library = library() if isinstance(library, type) and issubclass(library, Library) else library
        if not isinstance(library, Library) or not library.packages:
            raise TypeError("what is registered is a subclass of `Library`, or an instance of one, with `packages`")
        self._add(library, theirs=True)
        self._registered.append(library)

    def registered(self) -> list[tuple[str, str]]:
        """Module and name of the classes that were registered and that another process can import."""
        kinds = [type(each) for each in self._registered]
        return [(module_name(each), qualified_name(each)) for each in kinds if _can_be_imported(each)]

    def packages_known_here_only(self) -> frozenset[str]:
        """Packages that another process does not know as this one does: what was registered stands in a cell."""
        return frozenset(
            name for each in self._registered if not _can_be_imported(type(each)) for name in each.packages
        )

    def libraries(self) -> Iterator[Library]:
        """All that the session has imported, those that are believed first."""
        self._look_closely()
        yield from (*reversed(self._theirs), *self._ours)

    def has_file_of_ours(self, package: str) -> bool:
        """A file of ours is about this package, which the session has imported."""
        self._look_closely()
        return any(package in each.packages for each in self._ours)

    def of(self, kind: type) -> Sequence[Library]:
        """Those that the class itself belongs to, in the order of `libraries`."""
        return self.of_package(module_name(kind).partition(".")[0])

    def of_package(self, package: str) -> Sequence[Library]:
        """Those that know a package, in the order of `libraries`."""
        self._look_closely()
        generation, found = self._by_package
        if generation != self.generation:
            found = {}
            for library in self.libraries():
                for name in dict.fromkeys(library.packages):
                    found.setdefault(name, []).append(library)
            self._by_package = self.generation, found
        return found.get(package, ())

    def packages_that_are(self, trait: str) -> frozenset[str]:
        """The packages of all of them that say so.

        Args:
            trait: an attribute of `Library` that is true or false.
        """
        self._look_closely()
        generation, found = self._traits.get(trait, (-1, frozenset()))
        if generation != self.generation:
            found = frozenset(name for each in self.libraries() if getattr(each, trait) for name in each.packages)
            self._traits[trait] = self.generation, found
        return found

    def is_harmless_file(self, module: str) -> bool:
        """The module is a file of ours, and what it says of its library is that its objects are harmless."""
        self._look_closely()
        return any(type(each).__module__ == module and each.harmless for each in self._ours)

    def providers(self) -> dict[str, Provider]:
        """The kinds of ambient state of all of them, by name. The same dictionary until a library is added."""
        self._look()
        generation, found = self._providers
        if generation != self.generation:
            found = {}
            for library in (*reversed(self._theirs), *self._ours):
                for provider in library.ambient:
                    found.setdefault(provider.name, provider)  # those that are believed come first
            self._providers = self.generation, found
        return found

    def with_current_objects(self) -> list[Library]:
        """Those that say which objects calls into them may touch."""
        self._look()
        return self._with_current

    def provider_not_imported(self, name: str) -> Provider | None:
        """A kind of ambient state of a library that the session has not imported yet. Only our own files are asked."""
        self._look()
        for loads in (self._waiting or {}).values():
            for load in [each for each in loads if type(each) is _Ours]:
                load()
                loads.remove(load)
        return self.providers().get(name)

    def complaints(self) -> list[str]:
        """What has to be told to the user about libraries' files, in sentences. Each is given once."""
        told, self._complaints = self._complaints, []
        return told

    def tell_once(self, of: str, sentence: str) -> None:
        """The next `complaints` have this sentence, if there was none yet of the same thing."""
        if of not in self._told:
            self._told.add(of)
            self._complaints.append(sentence)

    # -- what is known --------------------------------------------------------------------------

    def find(self, question: str, kind: type, *, own: bool = False, genuine: bool = False) -> Entry | None:
        """What is said of a class, or of the nearest of its bases that something is said of.

        Args:
            question: an attribute of `Library`.
            own: only where the class belongs to the library that says it.
            genuine: only of classes that their modules hold: others may have the name, and code of the user's.
        """
        return next(self.all(question, kind, own=own, genuine=genuine), None)

    def all(self, question: str, kind: type, *, own: bool = False, genuine: bool = False) -> Iterator[Entry]:
        """The same, and what is said of the other bases."""
        for place, _, said in self._said_of(kind):
            entry = said.get(question)
            if entry is not None and _is_meant(kind, place, entry, own=own, genuine=genuine):
                yield entry

    def nearest(self, questions: tuple[str, ...], kind: type) -> Iterator[tuple[str, Entry]]:
        """What is said of a class and of its bases to several questions, the nearest base first."""
        for _, _, said in self._said_of(kind):
            yield from ((question, said[question]) for question in questions if question in said)

    def exactly(self, question: str, kind: type) -> Entry | None:
        """What is said of this class, and not of its bases."""
        for place, named, said in self._said_of(kind):
            if not place and named and question in said:
                return said[question]
        return None

    def _said_of(self, kind: type) -> tuple[Said, ...]:
        """All that is said of a class, the nearest base first: most are asked about much. Asks no metaclass."""
        self._look_closely()
        # Where nobody tells when it is changed: what is looked up goes by its names and those of its bases.
        known, version = self._found.get(id(kind)), type_version(kind) or tuple(_names_of(kind))
        if known is not None and known[0]() is kind and known[1] == version:
            return known[2]
        found = tuple(self._look_up(kind))
        forget = functools.partial(self._found.pop, id(kind))  # what it is called with is the default
        self._found[id(kind)] = weakref.ref(kind, forget), version, found
        return found

    def _look_up(self, kind: type) -> Iterator[Said]:
        for place, base in enumerate(mro_of(kind)):
            for named, keys in ((True, _keys_of(base)), (False, () if place else _starred(base))):
                yield from ((place, named, said) for key in keys if (said := self._tables.get(key)) is not None)

    def function(self, entry: Entry) -> Callable[..., Any] | None:
        """The function that an answer is, or names as "module:function". None where it cannot be had, which is told."""
        if not isinstance(entry.answer, str):
            found: Callable[..., Any] = entry.answer
            return found
        module, _, name = entry.answer.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except Exception as error:
            self._complain(entry.answer, error)
            return None
        guarded: Callable[..., Any] = self._guarded(entry.library, found)
        return guarded

    # -- loading --------------------------------------------------------------------------------

    def _look(self) -> None:
        """Adds libraries that the session has imported since the last look. Nothing to do: 0.1 us."""
        if self._modules != _imported():
            uninterrupted(self._look_again)

    def _look_closely(self) -> None:
        """The same, of those that wait for this, too."""
        self._look()
        if self._late:
            uninterrupted(self._load_late)

    def _load_late(self) -> None:
        with self._lock:
            while self._late:  # who asks meanwhile, on another thread, waits for the lock
                try:
                    self._late[-1]()
                finally:
                    self._late.pop()

    def _look_again(self) -> None:
        with self._lock:
            modules = _imported()  # what is imported meanwhile is for the next look
            if self._waiting is None:
                self._waiting = {}
                with allowed_on_this_thread(), allowed_in_process():  # folders are listed
                    self._find_ours()
                    self._find_theirs()
            self._load(self._waiting.keys() & sys.modules.keys())
            self._modules = modules

    def _load(self, names: Iterable[str]) -> None:
        assert self._waiting is not None
        for name in sorted(names):
            for load in self._waiting.pop(name):
                self._late.append(load) if isinstance(load, _Late) else load()

    def _find_ours(self) -> None:
        assert self._waiting is not None
        for folder in (standard, libraries):
            for name in modules_of(folder):
                load = (_Late if name in folder.LATE else _Ours)(self._load_ours, f"{folder.__name__}.{name}")
                self._waiting.setdefault("sys" if folder is standard else name, []).append(load)

    def _load_ours(self, module: str) -> None:
        contents = vars(importlib.import_module(module))
        for each in list(contents.values()):
            if isinstance(each, type) and issubclass(each, Library) and each.__module__ == module:
                library = each()
                library.packages = library.packages or (module.rpartition(".")[2],)
                self._add(library, theirs=False)

    def _find_theirs(self) -> None:
        assert self._waiting is not None
        try:
            points = entry_points(GROUP)
        except Exception as error:  # what is written down of some package cannot be read
            self._complain("what is installed", error)
            return
        for point in points:
            self._waiting.setdefault(point.name, []).append(functools.partial(self._load_theirs, point))

    def _load_theirs(self, point: EntryPoint) -> None:
        try:
            found = point.load()
            library = found() if isinstance(found, type) else found
            if not isinstance(library, Library):
                raise TypeError("it is no subclass of `kishu_kernel.objects.Library`")
            library.packages = library.packages or (point.name,)
            self._add(library, theirs=True)
        except Exception as error:
            self._complain(point.value, error)

    def _add(self, library: Library, *, theirs: bool) -> None:
        check(library)
        if type(library).current is not Library.current:
            self._with_current.append(library)
        for method in ("statics", "copies_on_write", "current", "loaded"):
            setattr(library, method, self._guarded(library, getattr(library, method)))

        def guarded(question: str, answer: Any) -> Any:
            if question in _LOOKS and not theirs:
                return answer
            # Our files know why the usual way is not good for a class.
            return self._guarded(library, answer, refused=question in _REDUCTIONS and not theirs)

        indexed = _indexed(library, guarded)
        for question, entries in indexed.items():
            for key, entry in entries.items():
                said = self._tables.setdefault(key, {})
                known = said.get(question)
                if theirs or known is None or known.library not in self._theirs:
                    said[question] = entry
        (self._theirs if theirs else self._ours).append(library)
        if library.registers_once:
            REGISTERING_ONCE.update(library.packages)
        self.generation += 1
        self._found.clear()

    # -- errors of libraries' files ---------------------------------------------------------------

    def _guarded(self, library: Library, answer: Any, *, refused: bool = False) -> Any:
        """A function of a library's file, so that its errors are told, and the object is as if it were not known.

        Args:
            refused: the object cannot be taken apart then.
        """
        if isinstance(answer, WithMemo):
            return WithMemo(self._guarded(library, answer.reduce, refused=refused))
        if not callable(answer):
            return answer

        def guarded(*arguments: Any) -> Any:
            try:
                found = answer(*arguments)
                return found if type(found) is tuple or not isinstance(found, Iterator) else list(found)
            except (TypeError, RecursionError, MemoryError):
                raise
            except Exception as error:
                if not (refused and isinstance(error, _OF_THE_OBJECT)):
                    self._complain(f"{type(library).__module__}.{type(library).__qualname__}", error)
                if refused:
                    raise TypeError(f"{type(error).__name__}: {error}") from error
                raise UnknownError from error

        return with_rule_of(answer, guarded)

    def _complain(self, whose: str, error: BaseException) -> None:
        self.tell_once(whose, _WORDS.format(whose, f"{type(error).__name__}: {error}"))


def _imported() -> object:
    """Another one whenever something was imported."""
    try:
        return dict_version(sys.modules) or (len(sys.modules), next(reversed(sys.modules), None))
    except RuntimeError:  # another thread imports
        return object()


def _can_be_imported(kind: type) -> bool:
    return module_name(kind) != "__main__" and is_genuine(kind)


class _Ours(functools.partial[None]):
    """Loads a file of ours."""


class _Late(_Ours):
    """It waits for the first question about a class."""


class UnknownError(Exception):
    """A function of a library's file has failed: of this object nothing is known."""


def _indexed(library: Library, wrapped: Callable[[str, Any], Any]) -> dict[str, dict[tuple[str, str], Entry]]:
    """Its tables, by what is looked up: a package and a name in it, or nothing and the name of a module and a class."""
    found: dict[str, dict[tuple[str, str], Entry]] = {}
    for question in (*SETS, *TABLES):
        said = getattr(library, question)
        if not said:
            continue
        answers: Mapping[str, Any] = dict.fromkeys(said, True) if question in SETS else said
        entries = {key: Entry(wrapped(question, answer), library) for key, answer in dict(answers).items()}
        found[question] = {at: entry for key, entry in entries.items() for at in places_of(key, library.packages)}
    return found


def _keys_of(kind: type) -> tuple[tuple[str, str], ...]:
    module, name = module_name(kind), qualified_name(kind)
    return ("", f"{module}.{name}"), (module.partition(".")[0], name)


def _names_of(kind: type) -> Iterator[str]:
    for base in mro_of(kind):
        yield from (module_name(base), qualified_name(base))


def _starred(kind: type) -> list[tuple[str, str]]:
    path = module_name(kind).split(".")
    return [("", ".".join([*path[:depth], "*"])) for depth in range(len(path), 0, -1)]


def _is_meant(kind: type, place: int, entry: Entry, *, own: bool, genuine: bool) -> bool:
    if genuine and not is_genuine(mro_of(kind)[place]):
        return False
    return not own or module_name(kind).partition(".")[0] in entry.library.packages


registry = Registry()
"""Of this process."""
