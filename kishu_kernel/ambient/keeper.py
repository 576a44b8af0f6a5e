"""A session's ambient state: which values its checkpoints know, and giving it those of another one.

Law: what a provider raises costs its own kind of state and nothing else. Values travel inside the checkpoint's record;
one that cannot be stored is told when it is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from kishu_kernel.ambient.assignments import AssignedAttributes
from kishu_kernel.ambient.provider import import_all, imported_since, lacking_part, provider_named
from kishu_kernel.ambient.values import AmbientRecord, Known, Move, Values
from kishu_kernel.ambient.watched_reads import WatchedReads
from kishu_kernel.detect.access import text_access
from kishu_kernel.errors import CheckoutError, LoadError, ReplayError
from kishu_kernel.history.graph import SEVERED, UNTRUSTED, Lookup, ambient_at, ancestry, severed_at
from kishu_kernel.model import Access, Checkpoint, CheckpointId, Lost, Payload, SessionId, Version
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.ambient_settings import referred_modules
from kishu_kernel.objects.ambient_state import LEFT_ALONE, PartlyWrittenError, Provider, differs
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.registry import registry
from kishu_kernel.process.python_gc import collector_paused

LARGEST_OBJECT = 256 * 1024
"""Bytes of an object that ambient state refers to, at most: they travel inside the record."""


@dataclass(frozen=True, slots=True)
class _Blob:
    names: tuple[str, ...]
    stream: bytes
    blobs: tuple[Any, ...] = ()
    made_by: Mapping[str, str] = field(default_factory=dict)


class AmbientState:
    """The ambient state of this process, as a session's history knows it.

    Args:
        table: the reductions; what is stored may be of the notebook.
        session: the one whose process this is.
    """

    def __init__(self, table: ReductionTable, session: Callable[[], SessionId]) -> None:
        self._table = table
        self._session = session
        self._first: dict[str, Any] | None = None
        self._begun: dict[str, Any] = {}
        self._modules = len(sys.modules)
        self._imported = False
        self._contained = False
        """The cell that runs, or has ended, runs no code that could change anything here."""
        self._usual: tuple[Known | None, bool] = None, False
        self._outside_rerun: dict[str, Any] | None = None
        self._assigned = AssignedAttributes(table.namespace)
        self._reads = WatchedReads(self._assigned)
        self.known = Known()
        live_objects.serve(table.namespace, self._object_stream, self._object_of)

    def _start(self) -> None:
        """The first cell is about to run, or a state to be taken up: from here on it is the session's doing."""
        if self._first is None:
            with collector_paused():  # what is imported for it stays
                for provider in self._present().values():
                    with suppress(Exception):
                        provider.start()
                self._first = self._read()
                live_objects.keep_all()

    # -- what a checkpoint keeps -------------------------------------------------------------------

    @property
    def is_usual(self) -> bool:
        """Nothing is registered, as far as it is known, that the session did not begin with: no hook of somebody's."""
        if self._usual[0] is not self.known:
            self._usual = self.known, self._first is not None and all(map(self._is_usual, self.known.values))
        return self._usual[1]

    def _is_usual(self, name: str) -> bool:
        provider = self._provider(name)
        return provider is not None and (
            not provider.refers or not differs(self.known.values[name], self._before_all(name, provider, None))
        )

    def begin(
        self, touched_between_cells: bool, access: Access, code: str, *, alone: bool = True, contained: bool = False
    ) -> None:
        """A cell is about to run.

        Args:
            touched_between_cells: something else may have run since the last checkpoint: what it changed is not
                of the cell.
            access: what the code of the cell may touch.
            code: its code.
            alone: no other cell is running.
            contained: it runs no code that could change anything here, and nothing else has since the last one.
        """
        self._contained = contained and bool(self.known.values) and not touched_between_cells
        self._modules = len(sys.modules)
        if self._contained:
            self._begun = {}
            return
        self._start()
        with suppress(Exception):  # what hinders us hinders no cell
            self._assigned.expect(access, alone)
        self._modules = len(sys.modules)  # to read may import
        present = self._present()
        trusted = () if touched_between_cells else self.known.values.keys()
        self._begun = self._changed({name: each for name, each in present.items() if name not in trusted})
        self._about_to_run(code, present)

    def _about_to_run(self, code: str, present: Mapping[str, Provider]) -> None:
        for provider in present.values():
            if type(provider).about_to_run is not Provider.about_to_run:
                with suppress(Exception):  # what hinders us hinders no cell
                    provider.about_to_run(code)

    def end(self) -> None:
        """The cell has ended; what is imported from here on is the kernel's."""
        self._imported = imported_since(self._modules)

    def records(self, contained: bool = False) -> AmbientRecord:
        """What the checkpoint of the cell that has ended is to keep.

        Args:
            contained: as of `begin`, until now.
        """
        contained, self._contained = contained and self._contained, False  # what is taken next is not of this cell
        if contained:
            return AmbientRecord({}, {}, {}, self._imported, contained=True)
        changed = self._changed()
        began = {name: value for name, value in self._begun.items() if name in changed}
        before = {name: value for name, value in began.items() if differs(value, changed[name])}
        return AmbientRecord(self._encoded(changed), self._encoded(before), changed, self._imported)

    def remember(self, id: CheckpointId, records: AmbientRecord) -> None:
        """The checkpoint stands."""
        if records.contained:  # nothing was read, and so nothing was referred to
            return
        live_objects.end_turn()
        self._begun = {}
        self.known = Known(
            {**self.known.at, **dict.fromkeys(records.after, id)}, {**self.known.values, **records.values}
        )

    # -- going elsewhere ---------------------------------------------------------------------------

    def move(self, lookup: Lookup, target: CheckpointId | None) -> Move:
        """What has to be written to have it as it was at a checkpoint. Changes nothing."""
        self._start()
        there = ambient_at(lookup, target)
        now = self._read()
        values: dict[str, Any] = {}
        at: dict[str, CheckpointId] = {}
        lost: list[Lost] = []
        for name, id in there.items():
            if self.known.at.get(name) == id and name in now and not differs(self.known.values[name], now[name]):
                at[name] = id
                continue
            try:
                value = self._decoded(lookup, lookup(id), name)
            except LoadError as error:
                lost.append(Lost(Version((name,), id), str(error)))
                continue
            at[name] = id
            values[name] = value
            if lacking := lacking_part(self._provider(name), value):
                lost.append(Lost(Version((name,), id), lacking))
        severed = severed_at(lookup, target)
        if severed is not None:
            unknown = [name for name in self._present() if name not in there]
            lost += [Lost(Version((name,), severed), SEVERED.format(severed)) for name in unknown]
        elif there or target is None:
            for name, provider in self._present().items():
                value = self._before_all(name, provider, target)
                if name not in there and value is not LEFT_ALONE and differs(value, now.get(name, LEFT_ALONE)):
                    values[name] = value
        kept = {name: values[name] if name in values else self.known.values[name] for name in at}
        return Move(values, Known(at, kept), tuple(lost))

    def staying(self) -> Move:
        """What has to be written to have it as it is: nothing."""
        self._start()
        return Move({}, self.known, ())

    @contextmanager
    def moving(self, move: Move) -> Iterator[None]:
        """Writes it; if the block raises, everything is as it was.

        Raises:
            CheckoutError: something cannot be written.
        """
        before = self._read()
        known = self.known
        try:
            self._bring_about(move.values)
            self._write(self._moved_along(move))
            self.known = move.known
            self._begun = {}
            yield
        except BaseException:
            self.known = known
            self._put_back(before)
            raise

    def set_for_loading(self, move: Move) -> None:
        """Writes what the values that are to be loaded may need. It is for a block that is put back afterwards."""
        fixed = {name: value for name, each in self._present().items() if (value := each.while_loading()) is not None}
        with suppress(CheckoutError):  # the checkout itself will say so
            self._write({**self._early(move.values), **fixed})

    @contextmanager
    def put_back_afterwards(self) -> Iterator[None]:
        """Whatever the block does to it, it is as it was afterwards."""
        now = self._read()
        try:
            yield
        finally:
            self._put_back(now)

    @contextmanager
    def set_to_before(self, lookup: Lookup, checkpoint: Checkpoint) -> Iterator[Callable[[], str | None]]:
        """For a block that runs its cell again: the ambient state that it first began with. Then as it is now.

        Yields:
            A function to call after the cell has run. It says what the cell left otherwise than it first did, or None
            if nothing shows a difference.

        Raises:
            ReplayError: it cannot be made what it was.
        """
        label = f"{checkpoint.label} cannot be re-run as it first ran"
        after = self._all_decoded(lookup, ambient_at(lookup, checkpoint.id))
        # What nothing is known of before is taken to be what it left: if the cell draws from it, it will not match.
        before = {**after, **self._all_decoded(lookup, ambient_at(lookup, checkpoint.parent))}
        for name in checkpoint.ambient_before:
            before[name] = self._decoded_or_told(lookup, checkpoint, name, checkpoint.ambient_before)
        for name, value in before.items():
            provider = provider_named(name)
            if isinstance(value, LoadError) and not (provider is not None and provider.drawn):
                raise ReplayError(f"{label}: {name}: {value}")
        with suppress(Exception):
            self._assigned.expect(text_access(checkpoint.code), alone=False)
        now = self._outside_rerun = self._read()
        try:
            try:
                self._bring_about({name: each for name, each in before.items() if not isinstance(each, LoadError)})
            except CheckoutError as error:
                raise ReplayError(f"{label}: {error}") from error
            for provider in self._present().values():
                provider.begin_rerun()
            self._about_to_run(checkpoint.code, self._present())
            # What is imported for the first time may draw numbers, and does not do so again.
            yield lambda: None if checkpoint.imported else self._drawn_otherwise(after)
        finally:
            if self._outside_rerun is now:
                self.end_rerun()

    def end_rerun(self) -> None:
        """Puts back what `set_to_before` has set, also where an interrupt came before its block could be left."""
        if self._outside_rerun is not None:
            for provider in self._present().values():
                with suppress(Exception):  # all the others end it, too
                    provider.end_rerun()
            self._put_back(self._outside_rerun)
            self._outside_rerun = None

    # -- values ------------------------------------------------------------------------------------

    def _present(self) -> dict[str, Provider]:
        return self._reads.present()

    def _provider(self, name: str) -> Provider | None:
        return self._assigned if name == self._assigned.name else provider_named(name)

    def _read(self, providers: Mapping[str, Provider] | None = None) -> dict[str, Any]:
        found = {}
        wanted = self._present() if providers is None else providers
        if wanted:
            self._reads.begin()
        unchanged = self._reads.values
        for name, provider in wanted.items():
            if name in unchanged:
                found[name] = unchanged[name]
                continue
            try:
                found[name] = self._reads.read(provider)
            except Exception as error:  # all the others are recorded
                if not _is_being_imported(provider.module):
                    told = f"{type(error).__name__}: {error}"
                    registry.tell_once(name, f"Kishu does not record the {name}: to read it fails ({told}).")
        return found

    def _changed(self, providers: Mapping[str, Provider] | None = None) -> dict[str, Any]:
        """What is other than the checkpoints know, of all or of these."""
        known = self.known.values
        found = self._read(providers)
        return {
            name: now
            for name, now in found.items()
            if name not in known or (known[name] is not now and differs(known[name], now))
        }

    def _before_all(self, name: str, provider: Provider, target: CheckpointId | None) -> Any:
        if target is None and self._first is not None and name in self._first:
            return self._first[name]
        try:
            return provider.initial()
        except Exception:
            return LEFT_ALONE

    def _write(self, values: Values) -> None:
        """Writes these in the order of their providers: one may need what another brings."""
        self._reads.forget(values)
        for name, provider in self._reads.all().items():
            # Where the module is not there: it will be what it is when somebody imports it.
            if name not in values or not provider.present:
                continue
            try:
                provider.write(values[name])
            except PartlyWrittenError as error:
                registry.tell_once(f"{name}: {error}", f"Of the {name} Kishu could not set {error}.")
            except Exception as error:
                raise CheckoutError(f"the {name} cannot be set ({type(error).__name__}: {error})") from error

    def _bring_about(self, values: Values) -> None:
        """Writes these: first where modules are found; then it imports what they need, which may draw numbers."""
        self._write(self._early(values))
        for name, value in values.items():
            if (provider := self._provider(name)) is not None:
                import_all(provider.needs(value))
                if provider.refers and provider.present:
                    import_all(referred_modules(value))
        now = self._read()
        self._write({name: value for name, value in values.items() if differs(value, now.get(name, LEFT_ALONE))})

    def _early(self, values: Values) -> Values:
        present = self._present()
        return {name: value for name, value in values.items() if name in present and present[name].before_loading}

    def _moved_along(self, move: Move) -> Values:
        """What refers to variables that have just got other objects, or went with others: `%precision` sets NumPy's."""
        found = {}
        for name, provider in self._present().items():
            if name in move.known.values:
                value = move.known.values[name]
                with suppress(Exception):
                    if differs(provider.read(), value):
                        found[name] = value
        return found

    def _put_back(self, before: Values) -> None:
        """An interrupt meanwhile is raised when it is done."""

        def put_back() -> None:
            now = self._read()
            self._reads.forget(before)
            for name, provider in self._present().items():
                if name in before and differs(before[name], now.get(name, LEFT_ALONE)):
                    with suppress(Exception):  # all the others are put back
                        provider.write(before[name])

        try:
            put_back()
        except KeyboardInterrupt:
            put_back()
            raise

    def _drawn_otherwise(self, after: Values) -> str | None:
        now = self._read()
        for name, provider in self._present().items():
            value = after.get(name)
            known = value is not None and not isinstance(value, LoadError)
            if provider.drawn and known and differs(value, now.get(name)):
                return f"drew other {name}"
        return None

    # -- records -----------------------------------------------------------------------------------

    def _encoded(self, values: Values) -> dict[str, bytes]:
        return {name: self._blob(name, value) for name, value in values.items()}

    def _object_stream(self, obj: Any) -> bytes:
        from kishu_kernel.detect.fingerprint import Fingerprinter

        if Fingerprinter(self._table).take(obj).opaque:  # to take it apart may run code of the user's
            return b""
        try:
            stream = self._blob("object", obj)
        except Exception:  # then nothing but the object itself can be given back
            return b""
        return stream if len(stream) <= LARGEST_OBJECT else b""

    def _object_of(self, stream: bytes) -> Any:
        from kishu_kernel.objects.codec.pickling import decode

        try:
            return decode(_Blob(("object",), stream), self._table.namespace, live=self._table)["object"]
        except LoadError as error:
            raise LookupError(str(error)) from error

    def _blob(self, name: str, value: Any) -> bytes:
        encoded = encode((name,), {name: value}, self._table)
        return encoded.stream if isinstance(encoded, Payload) and not encoded.buffers else b""

    def _decoded(
        self, lookup: Lookup, checkpoint: Checkpoint, name: str, blobs: Mapping[str, bytes] | None = None
    ) -> Any:
        """A value of a checkpoint that can be written now. LoadError, which says why, where there is none."""
        from kishu_kernel.objects.codec.pickling import decode

        if not checkpoint.trusted:
            raise LoadError(UNTRUSTED)
        if not (blob := (checkpoint.ambient if blobs is None else blobs)[name]):
            severed = checkpoint.severed is not None
            raise LoadError(SEVERED.format(checkpoint.id) if severed else "it could not be stored")
        value = decode(_Blob((name,), blob), self._table.namespace)[name]
        provider = self._provider(name)
        if provider is None:
            raise LoadError("nobody is registered who keeps it")
        if checkpoint.session != self._session():
            value = provider.elsewhere(
                value, lambda text: any(text in each.code for each in ancestry(lookup, checkpoint.id))
            )
        if provider.present and (obstacle := provider.obstacle(value)):
            raise LoadError(obstacle)
        return value

    def _decoded_or_told(self, lookup: Lookup, checkpoint: Checkpoint, name: str, blobs: Mapping[str, bytes]) -> Any:
        """The value, or the `LoadError` that says why there is none."""
        try:
            return self._decoded(lookup, checkpoint, name, blobs)
        except LoadError as error:
            return error

    def _all_decoded(self, lookup: Lookup, at: Mapping[str, CheckpointId]) -> dict[str, Any]:
        checkpoints = {name: lookup(id) for name, id in at.items()}
        return {name: self._decoded_or_told(lookup, each, name, each.ambient) for name, each in checkpoints.items()}


def _is_being_imported(module: str) -> bool:
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))
