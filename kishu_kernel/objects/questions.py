"""What is known of a class, or of an object of it, asked of the libraries (`registry`)."""

from __future__ import annotations

import enum
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from kishu_kernel.objects.classes import (
    derives,
    is_genuine,
    is_of_library,
    is_users_own,
    module_contents,
    module_name,
)
from kishu_kernel.objects.libraries.standard.values import VALUE_TYPES
from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction, WithMemo, callables_at, holds_statics
from kishu_kernel.objects.library_globals import Version, version_of_class_globals
from kishu_kernel.objects.registry import Entry, UnknownError, registry

# -- what sharing an object means ----------------------------------------------------------------------


def is_value_type(kind: type) -> bool:
    """Sharing an instance cannot matter: it does not link the variables that hold it."""
    if issubclass(kind, VALUE_TYPES):
        return True
    if derives(type(kind), enum.EnumMeta) and module_name(kind) != "__main__":
        return True
    return registry.find("values", kind, own=True) is not None


def is_label_type(kind: type) -> bool:
    """Instances are shared far and wide and can change, if seldom (`df.columns.name = ...`).

    They join no co-variable; where one has changed, all variables that hold it are looked at.
    """
    return registry.find("labels", kind, own=True) is not None


def is_hub(kind: type) -> bool:
    """Instances are what many objects lead to, and lead to all of these: a figure, from whatever is drawn in it."""
    return registry.find("hubs", kind) is not None


def version_of_globals(kind: type) -> Version | None:
    """Another one whenever a library may hold others (`globals_of_class`, `LibraryStatics`). None: that is unknown."""
    if any(map(holds_statics, registry.of(kind))):
        return None
    return version_of_class_globals(kind)


def copies_on_write(library: Library, known: dict[int, bool]) -> bool:
    """No write to one object of a library shows in another, though they share memory. Asked once for `known`."""
    if id(library) not in known:
        known[id(library)] = False
        with suppress(UnknownError):
            known[id(library)] = library.copies_on_write()
    return known[id(library)]


def note_loaded(packages: Iterable[str], made: Callable[[], Iterable[object]]) -> None:
    """Has libraries see what was loaded at once.

    Args:
        packages: those that it refers to.
        made: gives all of it.
    """
    for package in packages:
        for library in registry.of_package(package):
            if type(library).loaded is not Library.loaded:
                with suppress(UnknownError):
                    library.loaded(made())


def private_memory_of(kind: type) -> Entry | None:
    """What tells which objects hold the memory of an instance that no write through others can change."""
    return registry.find("private_memory", kind, own=True)


def has_private_memory(kind: type) -> bool:
    """Instances lead to memory that no write through others can change: it is of a library that has such."""
    return any(library.private_memory for library in registry.of(kind))


def is_transparent(kind: type) -> bool:
    """Instances keep nothing that follows from the numbers in arrays that they hold."""
    return registry.find("transparent", kind, own=True) is not None


def exposed_memory_of(kind: type) -> Callable[[Any], tuple[int, int]] | None:
    """What tells the address and the size of memory of an instance that an array may show."""
    found = registry.find("exposed_memory", kind)
    return None if found is None else found.answer


def hidden_references_of(obj: Any) -> Iterator[Any]:
    """What an object holds that the interpreter's garbage collector is not told of."""
    found = registry.exactly("hidden_references", type(obj))
    for name in () if found is None else found.answer:
        try:
            yield getattr(obj, name)
        except Exception:  # one that was closed is not even there to be asked
            continue


# -- how an object comes apart -------------------------------------------------------------------------


def reduction_of(kind: type) -> Callable[[Any], Reduction] | WithMemo | None:
    """How a library has instances taken apart; None where none says anything. It raises where nothing can be stored."""
    found = registry.exactly("exact_reductions", kind)
    if found is None and not is_untraversable(kind):
        found = registry.find("reductions", kind)
    return None if found is None else found.answer


def library_reduction_of_users_class(kind: type) -> Callable[[Any], Reduction] | WithMemo | None:
    """How a library's file has instances of a class of the user's own modules taken apart; None for other classes.

    Only where the file names that very class. It then takes the place of the class's own reduction.
    """
    if not is_users_own(kind):
        return None
    found = registry.exactly("exact_reductions", kind) or registry.exactly("reductions", kind)
    return None if found is None else found.answer


def class_reduction_of(cls: type) -> Callable[[Any], Reduction] | WithMemo | None:
    """How a library has a class taken apart that it made at run time; None where none says anything."""
    if module_name(cls) == "__main__" or is_genuine(cls):
        return None
    found = registry.find("classes", cls)
    return None if found is None else found.answer


def class_memos_of(cls: type) -> frozenset[str]:
    """Attributes of a class of the notebook's in which the libraries of its bases note what they can find out again."""
    return frozenset(name for _, found in registry.nearest(("class_memos",), cls) for name in found.answer)


def refusal_of(kind: type) -> Callable[[Any], Reduction] | None:
    """A reduction that refuses: instances hold on to what is not in them. None where they may be stored."""
    if registry.exactly("exact_reductions", kind) is not None:
        return None
    question, found = next(registry.nearest(("reductions", "external_handles"), kind), ("", None))
    return refusing(found.answer) if found is not None and question == "external_handles" else None


def refusing(what: str) -> Callable[[Any], Reduction]:
    """A reduction that says what an object holds on to."""

    def refuse(obj: Any) -> Reduction:
        raise HeldOutsideError(f"a {type(obj).__name__} holds on to {what}, and cannot be stored")

    return refuse


def is_complete(kind: type) -> bool:
    """Whether the class's own reduction tells all that there is of an instance."""
    return any(library.complete_reductions for library in registry.of(kind))


def is_fingerprint_only(kind: type) -> bool:
    """Whether instances have a fingerprint but cannot be stored."""
    return registry.find("visible_state", kind) is not None


def is_called_anew(kind: type) -> bool:
    """Whether instances are known by what another process calls them: made anew, they are called otherwise."""
    return registry.find("called_anew", kind) is not None


def visible_reduction(obj: Any) -> tuple[Any, ...]:
    """For the fingerprint: what an object is made of that cannot be stored.

    Raises:
        Exception: whatever looking at it raises: this one cannot be seen either.
    """
    look = registry.find("visible_state", type(obj))
    return _ELSEWHERE, (type(obj), *look.answer(obj)) if look is not None else ()


class _Elsewhere:
    """Stands for what makes an object that is only seen. Never stored; digests know it by the name that it once had."""

    __module__ = "kishu_kernel.library_looks"

    def __reduce__(self) -> str:
        return "_elsewhere"

    def __call__(self) -> None:
        """As all that makes objects it can be called, and walks know it again by that. Nobody does."""


_ELSEWHERE = _Elsewhere()


# -- what leads into the running kernel ----------------------------------------------------------------


def is_untraversable(kind: type) -> bool:
    """Instances lead into the running kernel: they are never walked, never stored."""
    found = registry.find("untraversable", kind)
    return found is not None and module_name(kind) != "__main__" and not is_dynamic(kind)


def is_dynamic(kind: type) -> bool:
    """Through an instance code can reach every variable."""
    return registry.find("dynamic", kind) is not None


def is_quiet_thread(kind: type, runs: Any) -> bool:
    """Whether a thread of this class, which runs this, runs nothing of the notebook's, whatever it holds."""
    if type(runs) is types.FunctionType:
        name = f"{runs.__globals__.get('__name__')}.{runs.__qualname__}"
        if any(name in each.quiet_threads for each in registry.libraries()):
            return True
    return registry.find("quiet_threads", kind, own=True) is not None


def draw_others() -> bool:
    """Whether somebody else than the cell that runs may draw random numbers now (`Library.draws_beside`)."""
    return any(each.draws_beside() for each in registry.libraries())


def users_objects_in(obj: Any) -> list[Any]:
    """The user's objects that an untraversable object holds (a task's result): not the loop, the kernel or locks."""
    names = [name for entry in registry.all("payloads", type(obj)) for name in entry.answer]
    return [held for name in names if (held := getattr(obj, name, None)) is not None]


def callbacks_of(obj: Any) -> list[Any]:
    """What an untraversable object calls when a cell does something to it: functions, methods, calls with arguments."""
    return callables_at(obj, [path for entry in registry.all("observers", type(obj)) for path in entry.answer])


def has_code_only_state(kind: type) -> bool:
    """Whether a library says so of instances: else all that is seen of one is changed by code."""
    return registry.find("setup", kind) is not None


def code_only_state_of(obj: Any) -> Any:
    """The part of an untraversable object's state that only code can change, and no person does on the screen.

    Returns:
        For a widget its attributes that are no traits. None where the library says nothing.
    """
    found = registry.find("setup", type(obj))
    return None if found is None else found.answer(obj)


# -- for people ----------------------------------------------------------------------------------------


def summary_of(obj: Any) -> str | None:
    """One line about an instance of a library's class; None where the library says nothing."""
    entry = registry.find("summaries", type(obj), own=True)
    said = _answered(entry, obj) if entry is not None and answers_itself(obj) else None
    return said if type(said) is str else None


def head_of(obj: Any, rows: int, columns: int) -> list[tuple[object, list[Any]]] | None:
    """The first rows of a table or an array, by its columns; None where the library says nothing."""
    entry = registry.find("heads", type(obj), own=True)
    said = _answered(entry, obj, rows, columns) if entry is not None and answers_itself(obj) else None
    return said if type(said) is list else None


def has_shape(obj: Any) -> bool:
    """It may be asked for its shape, its columns and its dtype."""
    package = module_name(type(obj)).partition(".")[0]
    return package in registry.packages_that_are("shapes") and answers_itself(obj)


def answers_itself(obj: Any) -> bool:
    """Whether it is what its class says, and nothing stands in it that would answer with code of the user's."""
    kind = type(obj)
    if not is_genuine(kind) or is_users_own(kind):
        return False
    entry = registry.find("guests", kind)
    try:
        return entry is None or all(is_of_library(type(guest)) for guest in entry.answer(obj))
    except Exception:  # one that was taken apart by hand
        return False


def is_scalar(kind: type) -> bool:
    """Instances are single values: `str` tells all of one, `==` compares two."""
    return is_genuine(kind) and registry.find("scalars", kind, own=True) is not None


def is_compared_inside(kind: type) -> bool:
    """Instances are compared even where another library's object holds them."""
    return registry.find("compared_inside", kind, genuine=True) is not None


def text_of(obj: Any) -> str | None:
    """An instance in a few words; None where no library says anything."""
    kind = type(obj)
    if is_scalar(kind):
        return str(obj) if answers_itself(obj) else None
    entry = registry.find("texts", kind, genuine=True) if answers_itself(obj) else None
    told = None if entry is None else registry.function(entry)
    try:
        return None if told is None else told(obj)
    except UnknownError:  # which was told
        return None


def comparison_of(one: type, other: type) -> Callable[[Any, Any, Any], None] | None:
    """What compares instances of two classes; None where no library says how.

    It takes both, and findings to write to, and may raise `UnknownError`: compare them as if it were not there.
    """
    theirs = list(registry.all("comparisons", other, genuine=True))
    for entry in registry.all("comparisons", one, genuine=True):
        if any(entry.library is each.library and _unwrapped(entry) == _unwrapped(each) for each in theirs):
            return registry.function(entry)
    return None


def parts_of(obj: Any) -> Mapping[str, Any] | None:
    """What an object consists of, by names that people know; None where no library says that."""
    entry = registry.find("parts", type(obj), genuine=True)
    try:
        return None if entry is None else _answered(entry, obj)
    except TypeError:  # this one cannot be taken apart
        return None


def _answered(entry: Entry, *arguments: Any) -> Any:
    try:
        return entry.answer(*arguments)
    except UnknownError:  # which was told
        return None


def _unwrapped(entry: Entry) -> Any:
    return inspect.unwrap(entry.answer) if callable(entry.answer) else entry.answer


# -- others --------------------------------------------------------------------------------------------


def missing_values() -> list[Any]:
    """What stands for missing values among strings besides None and NaN, each the only one of its kind."""
    found = []
    for library in registry.libraries():
        for path in library.missing_values:
            module, _, name = path.rpartition(".")
            value = getattr(sys.modules.get(module), name, None)
            found += [] if value is None else [value]
    return found


def is_harmless(module: str, name: str) -> bool:
    """What a library says is harmless to load: a name in one of its packages, or a function of its file of ours."""
    if module.partition(".")[0] in registry.packages_that_are("harmless"):
        return True
    function = module_contents(sys.modules.get(module)).get(name)
    of_the_file = type(function) is types.FunctionType and function.__module__ == module
    return of_the_file and registry.is_harmless_file(module)


def makes_user_values(package: str) -> bool:
    """Whether objects of this package are values of the user's, and not the internal state of a library."""
    return package in registry.packages_that_are("data")
