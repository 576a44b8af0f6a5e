"""The facts that the stages exchange, as frozen values. Everybody speaks in them; they know nobody.

Law: a value has no behaviour beyond what it can say about itself, and imports nothing from the rest of the package.
Words are those of the paper (definitions 1-6): co-variable, version, checkpoint, session state, delta.

    identity     ids, names of co-variables, versions, session states
    cell         CellRun -> Access (what it may have touched) -> Delta (what it changed)
    payload      the bytes of one version
    notebook     the cells of a notebook, as a frontend had them
    checkpoint   the record that the store keeps of one cell run
    plan         what a checkout will do, and its outcome
    storage      the size of a store, and what a collection removed
    amounts      sizes, counts and ages as a person says them
"""

from __future__ import annotations

from kishu_kernel.model.cell import EVERYTHING, NOTHING, Access, CellRun, CellStatus, Change, Delta
from kishu_kernel.model.checkpoint import Checkpoint, VariableInfo, VersionRecord
from kishu_kernel.model.identity import (
    NO_DIGEST,
    CheckpointId,
    Digest,
    Names,
    SessionId,
    State,
    Version,
    covariable,
    module_marker,
    package_of_marker,
)
from kishu_kernel.model.notebook import DOCUMENT, CellType, NotebookCell
from kishu_kernel.model.payload import Buffer, CodecName, NotStored, Payload
from kishu_kernel.model.plan import (
    CheckoutOptions,
    LoadStep,
    Lost,
    Outcome,
    Plan,
    ReplayMode,
    ReplayStep,
    Selection,
    ShownPlan,
    Taking,
)
from kishu_kernel.model.storage import Collected, StoreShare, StoreStatistics

__all__ = [
    "DOCUMENT",
    "EVERYTHING",
    "NOTHING",
    "NO_DIGEST",
    "Access",
    "Buffer",
    "CellRun",
    "CellStatus",
    "CellType",
    "Change",
    "CheckoutOptions",
    "Checkpoint",
    "CheckpointId",
    "CodecName",
    "Collected",
    "Delta",
    "Digest",
    "LoadStep",
    "Lost",
    "Names",
    "NotStored",
    "NotebookCell",
    "Outcome",
    "Payload",
    "Plan",
    "ReplayMode",
    "ReplayStep",
    "Selection",
    "SessionId",
    "ShownPlan",
    "State",
    "StoreShare",
    "StoreStatistics",
    "Taking",
    "VariableInfo",
    "Version",
    "VersionRecord",
    "covariable",
    "module_marker",
    "package_of_marker",
]
