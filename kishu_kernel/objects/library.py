"""What can be known of a library: the questions that are asked, each with "nothing is known" for an answer.

All that is known of a library stands in one subclass of `Library`, in one file: in `objects/libraries/`, or in a
package of somebody else's that says so (`registry`). Most answers are tables by the names of classes, so that a file
can be read without the library, and nothing has to be imported to look up a class.

Keys of tables:
    "Name"          the class of this qualified name, in any module of the library's packages;
    "module.Name"   the class of this name in this module, whichever package that is of;
    "module.*"      every class of this module, and of modules in it.
A key with a name speaks of subclasses, too, unless the question says otherwise; of several, the nearest base decides.
A key with a star speaks of these classes alone.

Functions in tables take the object. They must not change it, must not keep it, and must not import anything that the
session has not imported. A `TypeError` means: this object cannot be taken apart (or seen). What it says is told as the
reason. Any other error is told to the user once, and the object is treated as if its library were not known; where the
file is ours, an object whose reduction fails is not stored.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.classes import contents_of, mro_of

Reduction = Any
"""What `__reduce_ex__` may return: a tuple of 2 to 6, or a string that names a global. NotImplemented: as usual."""

Reduce = Callable[[Any], Reduction]

REGISTERING_ONCE: set[str] = set()
"""Packages of the libraries that are known and say so (`Library.registers_once`)."""


class HeldOutsideError(TypeError):
    """The object cannot be stored: what it holds on to is not in it."""


LEFT_OUT = "left out"
"""In the memo of a payload (`WithMemo`): what is left out of it, since it cannot be stored: a set. People are told."""


@dataclass(frozen=True, slots=True)
class WithMemo:
    """A reduction that must give the same parts each time within one payload.

    Attributes:
        reduce: called with the object and a dictionary that lives as long as the payload is written.
    """

    reduce: Callable[[Any, dict[Hashable, Any]], Reduction]


class Library:
    """What is known of a library. All questions have defaults: a subclass answers those that it can.

    Attributes:
        packages: import names of the packages whose classes it knows; empty: the one that it is registered for.

    Attributes that tell what sharing an object means (asked when a variable is walked):
        values: classes whose instances cannot change, or where nobody cares: two variables that hold the same one
            share nothing. Of the library's own classes alone: what others derive may add attributes.
        labels: classes whose instances are shared by all and hardly ever change, like the columns of frames. They join
            no variables; where one has changed, all variables that hold it are looked at. Own classes alone.
        hubs: classes whose instances many objects lead to, and that lead to all of these, like figures: walked once.
        private_memory: of instances, the objects that hold memory which no write through another object can change
            (copy-on-write). Own classes alone.
        transparent: classes whose instances keep nothing that follows from the numbers in arrays that they hold: an
            undo may change these under them. An index does: it keeps a table of what stands where. Own classes alone.
        exposed_memory: of instances, the address and the size of memory that an array may show.
        hidden_references: attributes of instances that hold what the interpreter's garbage collector is not told of.
            Of the class alone and of none that is derived from it.

    Attributes that tell how an object comes apart (asked by the walk and by the codec alike):
        reductions: how instances are taken apart, instead of by their own `__reduce_ex__`.
        exact_reductions: the same, of the class alone and of none that is derived from it.
        complete_reductions: what `__reduce_ex__` of the library's own classes gives is all that there is: no guess is
            made from what a class looks like (`class_shape`).
        whole: classes whose instances come back with all their public attributes, as tests have shown: they are not
            tried (`whole_classes`). Classes that others derive are so, too, if they say nothing of pickling.
        classes: how classes are taken apart that derive from these and that no module holds, because the library makes
            them at run time. The function takes the class, and what it gives leads to the one that lives: it joins no
            variables. Classes of the notebook are stored as always.
        class_memos: attributes of classes of the notebook's that derive from these, in which the library notes what it
            would find out again: dictionaries, which come back empty, and whose filling is no change.
        external_handles: what instances hold on to that is not in them, as "an open connection". Never stored.
        visible_state: of instances that cannot be stored, what they are made of: it is seen whether they changed.
        called_anew: of classes with a visible state, those that are known by what another process calls an instance:
            one that a re-run has made is called otherwise, and nobody is told that it differs.
        missing_values: attributes of modules ("pandas.NA") that hold the one object for missing values among strings.

    Attributes of what leads into the running kernel:
        untraversable: classes whose instances are never walked nor stored. Classes of the notebook never are. What has
            come to an end leads nowhere any more: `exact_reductions` may say of a class how that comes apart.
        payloads: attributes of untraversable instances that hold what is the user's.
        observers: attributes of untraversable instances that hold functions which they call; "a.b" for one in another.
            They are shared with whoever else has them.
        setup: of untraversable instances with a visible state, the part that code alone changes, and no person does on
            the screen.
        dynamic: classes through whose instances code can reach every variable. They are not untraversable.

    Attributes for people. They are asked only where a class is what it says it is: its module holds it.
        summaries: one line about an instance, beside its name in the list of variables; NotImplemented: as usual. Of
            the library's own classes alone: what others derive may run code of the user's.
        heads: the first rows of an instance, as pairs of a column's name and its values; without names None stands for
            them. The function takes the instance, and how many rows and columns at most. Own classes alone.
        shapes: instances may be asked for `shape`, `columns` and `dtype`, which runs no code of the user's.
        guests: what instances hold that answers for them, and that others may have made: the arrays of a frame, the
            time zone of a moment. Where a class of the user's would answer, they are asked for none of the above.
        comparisons: how two instances differ: "module:function", imported when it is first asked, or the function. It
            takes both and the `compare.findings.Findings` to write to.
        parts: of instances, what they consist of, by names that people know: compared part by part.
        scalars: classes whose instances are single values, as a point in time: `str` tells all, and `==` compares. Own
            classes alone.
        texts: an instance in a few words, as one value among others in a comparison; or "module:function".
        compared_inside: classes whose instances are compared even where another library's object holds them.

    Others:
        harmless: to load its objects touches nothing but memory, and so does their end. They may be loaded in the
            user's process just to be looked at. In our own files it speaks of the file's functions, too.
        data: its objects are values of the user's, and not the internal state of the library. A callback that is given
            one works on the notebook's variables.
        ambient: state of the library outside of variables, as settings and random numbers.
        registers_once: what it registers with the shell it registers once in a process, as when a module of it is
            imported: it stays, since code that is run again would not bring it back.
        quiet_threads: classes of threads, and full names of functions that threads run, which run and change nothing of
            the notebook's, whatever they hold.
        sends: its threads send to other processes what a cell has given them, soon after it; that is all that they do
            with it, and it is waited for.
        survives_fork: the threads that it has started begin anew, by its own means, in a process that a fork has made.
    """

    packages: tuple[str, ...] = ()

    values: Collection[str] = ()
    labels: Collection[str] = ()
    hubs: Collection[str] = ()
    private_memory: Mapping[str, Callable[[Any], Iterable[Any]]] = {}
    transparent: Collection[str] = ()
    exposed_memory: Mapping[str, Callable[[Any], tuple[int, int]]] = {}
    hidden_references: Mapping[str, tuple[str, ...]] = {}

    reductions: Mapping[str, Reduce | WithMemo] = {}
    exact_reductions: Mapping[str, Reduce | WithMemo] = {}
    complete_reductions: bool = False
    whole: Collection[str] = ()
    classes: Mapping[str, Reduce | WithMemo] = {}
    class_memos: Mapping[str, tuple[str, ...]] = {}
    external_handles: Mapping[str, str] = {}
    visible_state: Mapping[str, Callable[[Any], tuple[Any, ...]]] = {}
    called_anew: Collection[str] = ()
    missing_values: tuple[str, ...] = ()

    untraversable: Collection[str] = ()
    payloads: Mapping[str, tuple[str, ...]] = {}
    observers: Mapping[str, tuple[str, ...]] = {}
    setup: Mapping[str, Callable[[Any], Any]] = {}
    dynamic: Collection[str] = ()

    summaries: Mapping[str, Callable[[Any], str]] = {}
    heads: Mapping[str, Callable[[Any, int, int], list[tuple[object, list[Any]]]]] = {}
    shapes: bool = False
    guests: Mapping[str, Callable[[Any], Iterable[Any]]] = {}
    comparisons: Mapping[str, str | Callable[[Any, Any, Any], None]] = {}
    parts: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {}
    scalars: Collection[str] = ()
    texts: Mapping[str, str | Callable[[Any], str]] = {}
    compared_inside: Collection[str] = ()

    harmless: bool = False
    data: bool = False
    ambient: tuple[Provider, ...] = ()
    registers_once: bool = False
    quiet_threads: Collection[str] = ()
    sends: bool = False
    survives_fork: bool = False

    def copies_on_write(self) -> bool:
        """Whether what `private_memory` names is private in this session. Asked of each array that is found there."""
        return True

    def loaded(self, objects: Iterable[object]) -> None:
        """Called with all that was loaded at once, where some of it is the library's, and before anybody has it.

        Gives the library's objects what they know of each other and no reduction tells, as who shares memory.
        """

    def current(self) -> Iterable[object]:
        """Objects that calls into the library may touch though no code names them, as the figure that is drawn in."""
        return ()

    def accesses_of_current(self) -> int | None:
        """How often the library, or anybody else, has asked for one of `current` so far. None: that is not known."""
        return None

    def draws_beside(self) -> bool:
        """Whether threads of the library's own draw random numbers of the process's now, whenever they like."""
        return False

    def after_fork(self) -> None:
        """Makes what two processes must not have alike, as random numbers. Called in one that a fork has made."""

    def owners_of_comms(self) -> dict[str, Any]:
        """By the ids of comms, what the library keeps there because it has that comm: its own dictionary.

        Of what a re-run made and nobody gets, the entries are taken out.
        """
        return {}

    def statics(self) -> Iterable[object]:
        """What the library holds besides what stands in its modules and classes, and whoever refers to it shares."""
        return ()


SETS = (
    *("values", "labels", "hubs", "untraversable", "dynamic", "scalars", "compared_inside", "transparent", "whole"),
    *("called_anew", "quiet_threads"),
)
"""The questions that are answered by names of classes alone."""
TABLES = (
    *("private_memory", "exposed_memory", "hidden_references"),
    *("reductions", "exact_reductions", "classes", "class_memos", "external_handles", "visible_state"),
    *("payloads", "observers", "setup", "summaries", "heads", "guests", "comparisons", "parts", "texts"),
)
"""The questions that are answered by tables."""


def check(library: Library) -> None:
    """Raises TypeError where a library's file cannot mean what it says."""
    known = vars(Library).keys()
    for base in mro_of(type(library)):
        if issubclass(base, Library) and base is not Library:
            for name in contents_of(base):
                if not name.startswith("_") and name not in known:
                    raise TypeError(f"{name} is no question that is asked of a library")
    for question in ("packages", *SETS):
        if isinstance(getattr(library, question), str):
            raise TypeError(f"{question} is one text, and no collection of names")


def places_of(key: str, packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Where what stands under a key is found: see above for what keys mean."""
    if "." in key:
        yield "", key
    for package in packages:
        yield package, key


def callables_at(obj: Any, paths: Iterable[str]) -> list[Any]:
    """Functions and methods that an object holds: under these attributes, also in lists and in dictionaries."""
    found: list[Any] = []
    todo = [_at(obj, path) for path in reversed([*paths])]
    while todo:
        held = todo.pop()
        if type(held) in (list, tuple):
            todo.extend(reversed(held))
        elif isinstance(held, dict):  # a widget keeps them by name and by kind
            todo.extend(reversed(held.values()))
        elif type(held) in (types.MethodType, types.FunctionType, functools.partial):
            found.append(held)
    return found


def functions_at(obj: Any, paths: Iterable[str]) -> list[types.FunctionType]:
    """The functions among these, those of methods and of calls with arguments included."""
    return functions_of(callables_at(obj, paths))


def functions_of(called: Iterable[Any]) -> list[types.FunctionType]:
    """The functions among what is called, those of methods and of calls with arguments included."""
    found = []
    for each in called:
        while type(each) in (types.MethodType, functools.partial):
            each = each.__func__ if type(each) is types.MethodType else each.func
        found += [each] if type(each) is types.FunctionType else []
    return found


def _at(obj: Any, path: str) -> Any:
    for name in path.split("."):
        obj = getattr(obj, name, None)
    return obj


def holds_statics(library: Library) -> bool:
    """Whether it may hold anything of the kind: its file says so."""
    return type(library).statics is not Library.statics
