"""The record of a checkpoint, made from what the stages found; and what is known of a version from its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kishu_kernel.detect.detector import Judgement
from kishu_kernel.detect.fingerprint import Fingerprinter, combined_digest
from kishu_kernel.detect.knowledge import KnownCovariable, deferred_access
from kishu_kernel.detect.sequence_cache import CachedSequence
from kishu_kernel.detect.walk.result import TokenOf
from kishu_kernel.history.annotations import NO_REPLAY, cell_annotations
from kishu_kernel.history.graph import Lookup
from kishu_kernel.model import (
    NO_DIGEST,
    CellRun,
    Checkpoint,
    CheckpointId,
    Delta,
    Digest,
    Names,
    NotStored,
    Payload,
    SessionId,
    VariableInfo,
    Version,
    VersionRecord,
)
from kishu_kernel.model.dataclass import replace
from kishu_kernel.objects.codec.bound_classes import BoundClasses, recorded_tokens
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.registry import registry
from kishu_kernel.objects.secret_names import HIDDEN
from kishu_kernel.objects.summaries import describe

_NOTHING_FOUND = dict[str, Any](created=(), modified=(), deleted=(), accessed=(), inputs=(), versions=(), dropped=())


def checkpoint_of(
    run: CellRun, id: CheckpointId, parent: CheckpointId | None, session: SessionId, **found: Any
) -> Checkpoint:
    """The checkpoint of a cell run.

    Args:
        found: other fields of it: what the cell did. Where they are left out, it says only that the cell ran.
    """
    return Checkpoint(
        id=id,
        parent=parent,
        session=session,
        timestamp=run.timestamp,
        execution_count=run.execution_count,
        code=run.code,
        status=run.status,
        error=run.error,
        duration=run.duration,
        effects=run.effects,
        **{**_NOTHING_FOUND, **found},
    )


def extended_checkpoint(
    checkpoint: Checkpoint, delta: Delta, records: tuple[VersionRecord, ...], payloads: Sequence[Payload]
) -> Checkpoint:
    """A checkpoint whose cell is found to have changed more.

    Args:
        delta: what else it changed: other co-variables than the checkpoint has versions of.
        records, payloads: of the versions that this makes.
    """

    def both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({*one, *other}))

    found = (*delta.created, *delta.modified, *delta.deleted)
    return replace(
        checkpoint,
        created=both(checkpoint.created, delta.created),
        modified=both(checkpoint.modified, delta.modified),
        deleted=both(checkpoint.deleted, delta.deleted),
        accessed=both(checkpoint.accessed, found),
        inputs=both(checkpoint.inputs, tuple(name for name in found if name not in delta.created)),
        versions=(*checkpoint.versions, *records),
        dropped=(*checkpoint.dropped, *delta.dropped),
        payload_bytes=checkpoint.payload_bytes + sum(payload.size for payload in payloads),
    )


def version_records(
    judgement: Judgement,
    encoded: Sequence[Payload | NotStored],
    variables: Mapping[str, Any],
    code: str,
    table: ReductionTable,
) -> tuple[VersionRecord, ...]:
    """The records of the versions that a cell made, one for each change of the delta.

    Args:
        encoded: the payloads of the changes, in their order.
        code: of the cell.
    """
    may_rerun = NO_REPLAY not in cell_annotations(code)
    return tuple(
        _version_record(result, judgement.known[change.names], change.replayable and may_rerun, variables, unnamed)
        for change, result, unnamed in zip(
            judgement.delta.changes, encoded, _unnamed(encoded, variables, table), strict=True
        )
    )


def _unnamed(
    encoded: Sequence[Payload | NotStored], variables: Mapping[str, Any], table: ReductionTable
) -> Iterator[Digest]:
    """Of each version the digest without what another process calls a part of it; empty where there is no such part."""
    bound = None
    for result in encoded:
        if isinstance(result, Payload) or not any(each.called_anew for each in registry.libraries()):
            yield NO_DIGEST  # what is called anew is never stored
            continue
        from kishu_kernel.objects.questions import is_called_anew

        bound = bound or BoundClasses(table, variables).token_of
        prints = Fingerprinter(table, bound=bound, unnamed=True)
        taken = {name: prints.take(variables[name]) for name in result.names}
        is_anew = any(is_called_anew(kind) for each in taken.values() for kind in each.kinds)
        yield combined_digest(result.names, taken) if is_anew else NO_DIGEST


def known_after_loads(
    restored: Mapping[Version, Mapping[str, Any]],
    lookup: Lookup,
    table: ReductionTable,
    variables: Mapping[str, Any],
    sequences_in: Callable[[Version], tuple[CachedSequence, ...]],
) -> dict[Names, KnownCovariable]:
    """What the detector is to know of versions that were loaded or re-run, by their names.

    Args:
        variables: as they are before these take their names.
        sequences_in: those that were recognised, or cached, when a version was loaded.
    """
    records = {version: lookup(version.checkpoint).record(version.names) for version in restored}
    now = {**variables, **{name: obj for objects in restored.values() for name, obj in objects.items()}}
    bound = BoundClasses(table, now, recorded_tokens(records, restored)).token_of
    return {
        version.names: known_after_load(records[version], objects, table, bound, sequences_in(version))
        for version, objects in restored.items()
    }


def known_after_load(
    record: VersionRecord,
    objects: Mapping[str, Any],
    table: ReductionTable,
    bound: TokenOf,
    sequences: tuple[CachedSequence, ...] = (),
) -> KnownCovariable:
    """What the detector is to know of a version that was loaded or re-run, as cheaply as possible.

    The stored digest is believed. Only if functions of the notebook are reachable are the objects walked, since records
    do not say which these are; and what another process calls otherwise when it is made anew, which is no change.

    Args:
        bound: the classes that variables are bound to, now that it was loaded.
        sequences: those that were recognised, or cached, when it was loaded.
    """
    from kishu_kernel.objects.questions import is_called_anew

    digests = {info.name: info.digest or record.digest for info in record.variables}
    prints = Fingerprinter(table, sequences, bound=bound)
    is_anew = bool(record.unnamed) or all(is_called_anew(type(objects[name])) for name in record.names)
    taken = [prints.take(objects[name]) for name in record.names] if record.calls or is_anew else []
    digest = record.digest
    if is_anew:
        found = dict(zip(record.names, taken, strict=True))
        digests, digest = {name: each.digest for name, each in found.items()}, combined_digest(record.names, found)
    return KnownCovariable(
        digest,
        digests,
        deferred_access(taken),
        any(each.dynamic for each in taken),
        sequences=tuple(each for walked in taken for each in walked.sequences) if taken else sequences,
        modules=frozenset().union(*(each.modules for each in taken)),
        requires=frozenset(map(bytes.fromhex, record.requires)),
        provides={bytes.fromhex(token): name for token, name in record.provides.items()},
    )


def _version_record(
    result: Payload | NotStored,
    known: KnownCovariable,
    replayable: bool,
    variables: Mapping[str, Any],
    unnamed: Digest,
) -> VersionRecord:
    alone, hidden = len(result.names) == 1, isinstance(result, NotStored) and result.secret
    seen: dict[int, VariableInfo] = {}
    return VersionRecord(
        names=result.names,
        digest=known.digest,
        size=result.size if isinstance(result, Payload) else 0,
        stored=isinstance(result, Payload),
        reason=result.reason if isinstance(result, NotStored) else None,
        replayable=replayable,
        variables=tuple(
            [
                _described(name, variables[name], NO_DIGEST if alone else known.variables[name], seen, hidden)
                for name in result.names
            ]
        ),
        calls=bool(known.deferred or known.modules) or known.dynamic,
        requires=tuple(sorted(token.hex() for token in known.requires)) if known.requires else (),
        provides={token.hex(): name for token, name in known.provides.items()} if known.provides else {},
        left_out=result.left_out if isinstance(result, Payload) else (),
        unnamed=unnamed,
    )


def _described(name: str, obj: Any, digest: Digest, seen: dict[int, VariableInfo], hidden: bool) -> VariableInfo:
    """As `describe`. Results of cells are bound to the same object by many names: it is looked at once.

    Args:
        seen: what was described before, by the ids of the objects.
        hidden: it is not shown what they are.
    """
    known = seen.get(id(obj))
    if known is None:
        known = describe(name, obj, digest)
        seen[id(obj)] = known = replace(known, summary=HIDDEN) if hidden else known
        return known
    return VariableInfo(name, known.type, known.summary, digest)
