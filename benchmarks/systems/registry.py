"""All systems, in the order of the tables."""

from __future__ import annotations

from benchmarks.systems.base import System
from benchmarks.systems.criu import CRIU, CRIU_INCREMENTAL
from benchmarks.systems.dill import DILL
from benchmarks.systems.elastic import ELASTIC
from benchmarks.systems.elastic_kernel import ELASTIC_KERNEL
from benchmarks.systems.ipyflow import IPYFLOW
from benchmarks.systems.old_kishu import OLD_DEFAULT, OLD_EXPERIMENTAL
from benchmarks.systems.ours import CHECK_ALL, DET_REPLAY, KISHU, NAMESPACE
from benchmarks.systems.pages import PAGES
from benchmarks.systems.plain import PLAIN

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        *(PLAIN, KISHU, DET_REPLAY, CHECK_ALL, NAMESPACE),
        *(DILL, OLD_DEFAULT, OLD_EXPERIMENTAL, ELASTIC, ELASTIC_KERNEL, CRIU, CRIU_INCREMENTAL, PAGES, IPYFLOW),
    )
}
