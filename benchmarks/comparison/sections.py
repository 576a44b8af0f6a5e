"""The sections of the page, after the paper's figures and tables: a plot, how to read it, and a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comparison import drawings, formats, tables
from benchmarks.comparison.goals import SHARED
from benchmarks.comparison.records import Kind
from benchmarks.comparison.summary import MODELS, PLAIN, Setting, Study


@dataclass(frozen=True)
class Section:
    """One of the page.

    Attributes:
        name: of its plot's file, without the ending.
        draw: makes the plot at a path; False where nothing was measured.
    """

    title: str
    name: str
    alt: str
    text: str
    draw: Callable[[Study, Path], bool]
    table: Callable[[Study], str]


def _restore_table(kind: Kind) -> Callable[[Study], str]:
    return lambda study: tables.grid(study, study.restoring(), tables.against_ours(study, kind, formats.duration))


def _long_table(study: Study) -> str:
    setting = drawings.longest(study)
    return tables.long_session(study, setting, study.restoring()) if setting else ""


def _correctness_table(study: Study) -> str:
    table = tables.correctness(study, tables.tally(study))
    if wrongs := tables.wrongs(study):
        table += "\n" + folded("Each state that came back wrong, or was refused", wrongs)
    return table


def _memory_table(study: Study) -> str:
    def write(setting: Setting, name: str) -> str:
        plain = study.value(setting, PLAIN, "memory")
        unit = plain.amount if plain else None

        def shown(amount: float) -> str:
            ratio = f"{formats.times(amount / unit)} · " if unit and name != PLAIN else ""
            return f"{ratio}{formats.size(amount)}"

        return tables.cell(study, study.value(setting, name, "memory"), shown)

    return tables.grid(study, [name for name in study.systems if name not in MODELS], write)


TIMES_OURS = (
    "Numbers beside the dots are multiples of kishu-kernel's; the table has both; where it was not "
    "run, there is nothing."
)
SECTIONS: Sequence[Section] = (
    Section(
        "Storage (the paper's Fig 13)",
        "storage",
        "What each system has stored after the last cell, by workload",
        f"On disk after the last cell, all checkpoints together. {TIMES_OURS}",
        drawings.storage,
        lambda study: tables.grid(study, study.keeping(), tables.against_ours(study, "stored", formats.size)),
    ),
    Section(
        "Checkpoint time: visible delay and background (Fig 14)",
        "checkpoint",
        "Visible delay and background of each system as a share of the run time, by workload",
        "What a system adds to the time until the reply, all cells together, is its visible delay: around the cell's "
        "own time, and beyond plain ipykernel's. Given as a share of the notebook's run time, then in seconds; `+` is "
        "what follows in the background, after the reply. The row of plain ipykernel is the noise: how far its own "
        "rounds scatter. In the plot the number is the visible delay.",
        drawings.checkpoint,
        tables.checkpoint,
    ),
    Section(
        "Undo (Fig 15a)",
        "undo",
        "Time of the slowest undo of each system, by workload",
        f"Back to the state before a cell; the slowest of a workload. {TIMES_OURS} *wrong*: what came back was not "
        "what had been there.",
        drawings.restores("undo", "undo, the slowest of the workload's (log scale)"),
        _restore_table("undo"),
    ),
    Section(
        "Branch switch (Fig 15b)",
        "branch",
        "Time of switching to the other branch, by system and workload",
        f"The notebook was run twice from where its model is trained; this is back to the first end. {TIMES_OURS}",
        drawings.restores("branch", "switch to the end of the other branch (log scale)"),
        _restore_table("branch"),
    ),
    Section(
        "Tracking overhead (Table 6; Fig 16 for each cell)",
        "tracking",
        "Tracking overhead after each cell as a multiple of the cell's own run time",
        "Detecting what a cell changed, without writing it. In the plot a dot is a cell; grey lines are cells of more "
        f"than {drawings.LONG_CELL:.0f} s; where a dot is missing, it was below the noise. In the table: times "
        "kishu-kernel's, seconds of all cells, share of the run time.",
        drawings.tracking,
        lambda study: tables.tracking(study, drawings.telling(study, "tracking")),
    ),
    Section(
        "Variables and co-variables (Table 7)",
        "counts",
        "Counts of variables and co-variables of each notebook's last state",
        "Variables → co-variables of the last state: variables that share an object are one co-variable.",
        drawings.counts,
        lambda study: tables.counts(study, drawings.telling(study, "covariables")),
    ),
    Section(
        "Shared references (Fig 17)",
        "sweep",
        "Storage, checkpoint time and undo against the share of arrays that are in one list",
        "Ten arrays, some of them in one list; a cell changes one that is. In the table: stored by that cell · its "
        "checkpoint time · its undo.",
        drawings.sweep,
        lambda study: tables.sweep(
            study, [each for each in study.sweep(SHARED) if each["SHARE"] is not None], study.keeping()
        ),
    ),
    Section(
        "A long session (Fig 18)",
        "long",
        "Stored bytes and visible delay against the number of cells",
        "Small cells, one after the other.",
        drawings.long_session,
        _long_table,
    ),
    Section(
        "In-cell slowdown",
        "slowdown",
        "In-cell time of each system as a multiple of plain ipykernel's, by workload",
        "The time of the user's code itself, over plain ipykernel's: the median of paired rounds. The loops at module "
        "level and over a function's globals show what watching the namespace costs.",
        drawings.slowdown,
        tables.slowdown,
    ),
    Section(
        "Correctness of states after checkout",
        "correctness",
        "How many states came back right, wrong, or were refused, by system",
        "States that were brought back were described variable by variable, and compared with what had been there. A "
        "state is wrong if it was so in any round in which it was compared.",
        drawings.correctness,
        _correctness_table,
    ),
    Section(
        "Peak memory",
        "memory",
        "Peak memory of the kernel's process, by system and workload",
        "Of the kernel's process, over plain ipykernel's.",
        drawings.memory,
        _memory_table,
    ),
)


def folded(title: str, content: str) -> str:
    """To be opened by those who want to know."""
    return f"<details><summary>{title}</summary>\n\n{content}\n</details>\n"


def chosen(results: Path, section: Section) -> Path:
    """Where its plot is kept."""
    return results / f"comparison-{section.name}.svg"


def markdown(study: Study, results: Path, section: Section) -> str:
    """The section, its plot drawn."""
    path = chosen(results, section)
    if not section.draw(study, path):
        path.unlink(missing_ok=True)  # an old one would pass for this run's
        drawn = "*Not measured in this run.*"
    else:
        drawn = f"![{section.alt}]({path.name})"
    table = section.table(study)
    return f"## {section.title}\n\n{section.text}\n\n{drawn}\n\n{table}".rstrip() + "\n"
