"""What objects do as a checkout lets go of them: it is put right, since it is no part of the state that came.

A destructor, the `finally` of a generator that is closed, a function of `weakref.finalize`: they see the new state, by
their globals, and may change it. Where such code has run, all variables are compared, and those that differ come once
more. What was bound a moment only ends without an effect: those were copies that nobody had. What goes in a cycle would
go later, whenever Python looks for cycles: where something of the user's may act then, Python looks at once.

Law: nothing is re-run for it. This is past the step at which a person could stop a checkout.
Neighbour: `checkout`, of which this is the last step.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kishu_kernel.ambient.values import Move
from kishu_kernel.detect.detector import Judgement
from kishu_kernel.errors import CheckoutError
from kishu_kernel.model import EVERYTHING, CheckoutOptions, CheckpointId, Plan, State
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.objects.classes import is_users_own, module_contents
from kishu_kernel.objects.codec.load_guard import has_destructor
from kishu_kernel.process.code_origins import is_users_module
from kishu_kernel.process.noticed_code import noticing_code
from kishu_kernel.process.python_gc import collector_enabled
from kishu_kernel.session.checkout_words import tell_changed_by_destructors, tell_not_looked_into
from kishu_kernel.session.ledger import Ledger
from kishu_kernel.session.rerun import RestoredObjects
from kishu_kernel.session.restore import Restorer
from kishu_kernel.session.running_cells import RunningCells

TIMES = 3
"""What was put right may be changed again, by what was let go of for it; so often it is tried."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a checkout begins.

    Attributes:
        changes: what has changed since the last checkpoint, with the variables as they are.
        state: the session state with these changes.
        ambient: what is to be set outside the namespace.
    """

    changes: tuple[Judgement, Mapping[str, Any]]
    state: State
    ambient: Move


def end_cycles() -> None:
    """What is in a cycle, and nobody holds, goes now. O(all objects). A collector that the user has disabled rests."""
    if collector_enabled():
        gc.collect()


def gone_in_cycles() -> int:
    """How many objects went in cycles, so far."""
    return sum(each["collected"] for each in gc.get_stats())


def may_act_in_cycles(variables: Mapping[str, Any]) -> bool:
    """Whether something that is let go of in a cycle may run code of the user's. O(variables).

    A class has a destructor, as far as variables and the user's own modules tell, or `weakref.finalize` is to call.
    """
    return any(map(has_destructor, _classes(variables))) or _finalizers_wait()


def _classes(variables: Mapping[str, Any]) -> Iterator[type]:
    """Those of the user's."""
    for each in variables.values():
        kind = type(each)
        if issubclass(kind, types.ModuleType):
            contents = module_contents(each)
            if _is_users(contents.get("__name__")):
                yield from (held for held in [*contents.values()] if _is_class_of_user(held))
        elif _is_class_of_user(each):
            yield each
        elif is_users_own(kind):
            yield kind


def _is_class_of_user(obj: Any) -> bool:
    return issubclass(type(obj), type) and is_users_own(obj)


def _finalizers_wait() -> bool:
    """Of those that call what a library gave, none counts."""
    waiting = getattr(getattr(sys.modules.get("weakref"), "finalize", None), "_registry", {})
    functions = [getattr(info, "func", None) for info in [*waiting.values()]]
    return any(type(each) is types.BuiltinMethodType or _is_of_user(each) for each in functions)


def _is_of_user(function: Any) -> bool:
    if type(function) is types.MethodType:
        function = function.__func__
    if type(function) is not types.FunctionType:
        return is_users_own(type(function))
    return _is_users(function.__module__)


def _is_users(module: object) -> bool:
    return type(module) is str and (module == "__main__" or is_users_module(module.partition(".")[0]))


class Aftermath:
    """Puts right what code of the user's has changed since a checkout was done.

    Args:
        start: where one begins now that leads to a state.
        obtain: obtains the objects of a plan.
        rebind: gives them their names.
    """

    def __init__(
        self,
        cells: RunningCells,
        ledger: Ledger,
        restorer: Restorer,
        warn: Callable[[str], None],
        start: Callable[[CheckpointId | None], Start],
        obtain: Callable[..., tuple[Plan, RestoredObjects]],
        rebind: Callable[..., None],
    ) -> None:
        self._cells = cells
        self._ledger = ledger
        self._restorer = restorer
        self._warn = warn
        self._start = start
        self._obtain = obtain
        self._rebind = rebind

    def put_right(self, plan: Plan, branch: str | None) -> None:
        """Brings what has changed once more, or tells it.

        Args:
            plan: what the checkout has carried out.
            branch: the branch that it continues.
        """
        options = CheckoutOptions(replay="never", allow_lost=True)
        for _ in range(TIMES):
            self._cells.unchecked = EVERYTHING
            start, was = self._start(plan.target), self._ledger.state
            delta, opaque = start.changes[0].delta, start.changes[0].opaque
            unsure = {each: was[each] for each, kinds in opaque.items() if kinds and each in was}
            start = replace(start, state={**start.state, **unsure})
            if start.state == was:
                break
            reuse = self._ledger.sequence_reuse()
            in_place = self._restorer.live_objects(start.state, start.changes[1])
            try:
                again, restored = self._obtain(plan.target, options, start, reuse, in_place)
                with self._restorer.handing_over(restored):
                    if {lost.version for lost in again.lost} - {lost.version for lost in plan.lost}:
                        raise CheckoutError("what was changed is not stored")
                    self._rebind(again, restored, start, branch, reuse, in_place)
            except Exception:  # the checkout itself is done
                return tell_changed_by_destructors(self._warn, delta)
            renewed = set(delta.created).union(*(version.names for version in restored))
            gone = [obj for name, obj in start.changes[1].items() if name in renewed]
            with noticing_code() as noticed:
                del start, restored, reuse, in_place
                self._restorer.end_without_effect(gone)
            if not noticed.ran:
                break
        else:
            return tell_changed_by_destructors(self._warn, delta)
        self._cells.mark_checked()
        tell_not_looked_into(self._warn, unsure)
