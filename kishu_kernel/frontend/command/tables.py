"""What the command line prints, as text and as JSON. Pure: no disk, no terminal.

Law: what a store says of itself may be hostile, and a terminal obeys what it is sent. So whatever comes from a store,
or from the disk, passes `printable`. JSON is ASCII, which does the same.
Neighbours: the commands print it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import ago, counted, size

if TYPE_CHECKING:
    from kishu_kernel.model import Checkpoint, Collected
    from kishu_kernel.store.catalog.assignment import StoreListing
    from kishu_kernel.store.maintenance.bundle_format import Content
    from kishu_kernel.store.maintenance.fsck import Report
    from kishu_kernel.store.maintenance.trust import Trust

Json = dict[str, Any]


def as_json(value: Json) -> str:
    """Returns JSON in ASCII."""
    return json.dumps(value, indent=2)


# --- stores


def stores_json(listings: Sequence[StoreListing], base: Path, live: Collection[Path]) -> Json:
    """Returns the reply to `stores` of the protocol, and for each store whether a kernel is live on it."""
    listed = [
        {
            "name": each.path.name,
            "path": str(each.path),
            "notebook": each.notebook,
            "exists": each.exists,
            "live": each.path in live,
            "bytes": each.bytes,
            "used": datetime.fromtimestamp(each.used, timezone.utc).isoformat(),
        }
        for each in listings
    ]
    return {"directory": str(base), "stores": listed}


def stores_table(listings: Sequence[StoreListing], base: Path, now: float, live: Collection[Path]) -> str:
    """Returns a line for each store, and the directory of all."""
    if not listings:
        return f"There are no stores in {printable(base)}."
    rows = [("NOTEBOOK", "", "SIZE", "LAST USED", "STORE")]
    rows += [
        (_notebook(each), _state(each, live), size(each.bytes), ago(now - each.used), printable(each.path.name))
        for each in listings
    ]
    total = sum(each.bytes for each in listings)
    return f"{_columns(rows, right={2})}\n\n{counted(len(listings), 'store')}, {size(total)}, in {printable(base)}"


def _notebook(listing: StoreListing) -> str:
    if listing.notebook is None:
        return "(none)"
    home = os.path.expanduser("~") + os.sep
    path = listing.notebook
    return printable(f"~{os.sep}{path[len(home) :]}" if path.startswith(home) and home != os.sep * 2 else path)


def _state(listing: StoreListing, live: Collection[Path]) -> str:
    if listing.path in live:
        return "live"
    return "" if listing.exists or listing.notebook is None else "gone"


def _columns(rows: Sequence[Sequence[str]], right: set[int]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


# --- checks


def report_json(report: Report) -> Json:
    """Returns what a check found, and whether no problem is left."""
    return {"name": report.path.name, "clean": report.clean, "error": None, **asdict(report), "path": str(report.path)}


def report_text(report: Report) -> str:
    """Returns a line where there is no problem; else a paragraph."""
    held = (
        f"{counted(report.checkpoints, 'state')}, {counted(report.versions, 'payload')}, "
        f"{counted(report.chunks, 'chunk')}, {size(report.bytes)}"
    )
    spare = f"; {size(report.orphan_bytes)} of it is unused, which `gc` removes" if report.orphans else ""
    spare += f"; {counted(report.elsewhere, 'more payload')} never came from its remote" if report.elsewhere else ""
    name = printable(report.path.name)
    if not report.problems:
        return f"{name}: no problems ({held}{spare})"
    left = sum(not problem.repaired for problem in report.problems)
    repaired = len(report.problems) - left
    found = [counted(left, "problem")] if left else []
    found += [f"{repaired:,} repaired"] if repaired else []
    lines = [f"{name}: {', '.join(found)} ({held}{spare})"]
    for problem in report.problems:
        mark = "repaired: " if problem.repaired else ""
        lines += [f"  {mark}{printable(problem.what)}", f"      {printable(problem.consequence)}"]
    return "\n".join(lines)


# --- collections


def collected_json(path: Path, collected: Collected, dry_run: bool) -> Json:
    """Returns what was dropped, or would be, and what is kept; the caller may fill in `compacted`."""
    amounts = {"removed": asdict(collected.removed), "kept": asdict(collected.kept)}
    return {"name": path.name, "path": str(path), "dry_run": dry_run, **amounts, "compacted": None, "error": None}


def collected_text(path: Path, collected: Collected, dry_run: bool) -> str:
    """Returns one line about a collection."""
    removed, kept = collected.removed, collected.kept
    held = f"{counted(kept.checkpoints, 'state')} with values, {size(kept.bytes)}"
    name = printable(path.name)
    if not removed.checkpoints and not removed.chunks:
        return f"{name}: nothing to drop ({held})"
    code = f", the values of {counted(removed.checkpoints, 'state')}" if removed.checkpoints else ""
    return f"{name}: {'would drop' if dry_run else 'dropped'} {size(removed.bytes)}{code}; {held}, are kept"


def compacted_text(before: int, after: int) -> str:
    """Returns how much space a compaction gave back."""
    if after >= before:
        return f"nothing to give back; the file has {size(after)}"
    return f"gave {size(before - after)} back; the file has {size(after)}"


# --- one history


def status_text(reply: Json) -> str:
    """Returns the status of a notebook's history."""
    store = reply["store"]
    states = counted(store["checkpoints"], "state")
    rows = [
        ("notebook", printable(reply["notebook"] or "(not known)")),
        ("kernel", printable(reply["kernel"] or "(none is live; this is how the last session ended)")),
        ("HEAD", _head(reply)),
        ("session", printable(reply["session"] or "(none)")),
        ("store", f"{states}, {size(store['bytes'])}, in {printable(store['path'] or 'memory')}"),
        *([("pending", "the last state is still being stored")] if reply["pending"] else []),
        *(("warning", printable(warning)) for warning in reply["warnings"]),
    ]
    return _columns(rows, right=set())


def _head(reply: Json) -> str:
    if not reply["head"]:
        return "(start: no cell has run)"
    return printable(reply["head"]) + (f", on branch {printable(reply['branch'])}" if reply["branch"] else "")


# --- forks


def forks_made_text(forks: Sequence[Json]) -> str:
    """Returns a line for each fork that was started, and how to connect to it."""
    lines = []
    for each in forks:
        name = printable(os.path.basename(each["connection_file"]))
        lines += [f"{printable(each['branch'])}, in {printable(each['state'])}", f"  jupyter console --existing {name}"]
    ends = " ".join(f"--end {printable(each['branch'])}" for each in forks)
    return "\n".join([*lines, f"To end {'it' if len(forks) == 1 else 'them'}: jupyter kishu forks {ends}"])


def forks_table(forks: Sequence[Json]) -> str:
    """Returns a line for each fork that runs."""
    if not forks:
        return "No fork runs on this machine."
    rows = [("BRANCH", "STATE", "MEMORY", "NOTEBOOK", "CONNECTION FILE")]
    rows += [
        (
            printable(each["branch"] or "(it does not answer)"),
            printable(each["state"] or ""),
            size(each["memory"]),
            printable(each["notebook"] or "(none)"),
            printable(os.path.basename(each["connection_file"])),
        )
        for each in forks
    ]
    total = sum(each["memory"] for each in forks)
    return f"{_columns(rows, right={2})}\n\n{counted(len(forks), 'fork')}, {size(total)}"


# --- bundles


def content_json(content: Content) -> Json:
    """Returns what a bundle holds."""
    return {"checkpoints": content.checkpoints, "versions": content.versions, "bytes": content.bytes}


def content_text(content: Content) -> str:
    """Returns what a bundle holds."""
    return f"{counted(content.checkpoints, 'state')}, {counted(content.versions, 'payload')}, {size(content.bytes)}"


# --- trust


def trust_json(path: Path, trust: Trust) -> Json:
    """Returns how much of a store is this user's."""
    return {"name": path.name, "path": str(path), "trusted": trust.whole, **asdict(trust)}


def trust_text(path: Path, notebook: str | None, checkpoints: Sequence[Checkpoint], trust: Trust) -> str:
    """Returns what a user should know before accepting a store. All but its path is what the store says of itself."""
    rows = [
        ("store", printable(path)),
        ("notebook", printable(notebook or "(it names none)")),
        ("written", _span(checkpoints)),
        ("not yours", ", ".join(_not_yours(trust))),
    ]
    if trust.damaged:
        rows.append(("damaged", f"{trust.damaged:,}, which cannot be accepted: see `jupyter kishu fsck`"))
    return _columns(rows, right=set())


def untrusted_text(trust: Trust, called: str) -> str:
    """Returns what it means that a history is not all of this user's, and the way out.

    Args:
        called: what the store is called in a command.
    """
    from kishu_kernel.store.format.signing import signing_policy

    way = f"If you know where it comes from: jupyter kishu trust {called}"
    if signing_policy().mode == "strict":
        way = "If you know who wrote it, since signatures are strict here: jupyter kishu trust --key FILE"
    return f"{_untrusted(trust)}\n{way}"


def _untrusted(trust: Trust) -> str:
    if (trust.checkpoints, trust.payloads) == (trust.trusted_checkpoints, trust.trusted_payloads):
        return "Nothing shows that its outputs are yours: they are shown as text and pictures only."
    return "It is untrusted: nothing shows that you wrote it, so you can read it, but none of its values are loaded."


def _not_yours(trust: Trust) -> list[str]:
    found = (
        (trust.checkpoints, trust.trusted_checkpoints, "state"),
        (trust.payloads, trust.trusted_payloads, "payload"),
        (trust.outputs, trust.trusted_outputs, "output"),
    )
    return [f"{total - own:,} of {counted(total, what)}" for total, own, what in found]


def _span(checkpoints: Sequence[Checkpoint]) -> str:
    times = [checkpoint.timestamp for checkpoint in checkpoints]
    if not times:
        return "(it has no states)"
    sessions = len({checkpoint.session for checkpoint in checkpoints})
    first, last = _day(min(times)), _day(max(times))
    return f"{first if first == last else f'{first} to {last}'}, in {counted(sessions, 'session')}"


def _day(timestamp: float) -> str:
    try:
        return datetime.fromtimestamp(timestamp, timezone.utc).astimezone().strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):  # no time that a clock ever showed
        return "(no day)"
