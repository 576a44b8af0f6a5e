"""Dask's distributed."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Distributed(Library):
    """Clients and clusters are threads and connections that never rest. A future is known by its key."""

    untraversable = {"Client", "distributed.deploy.cluster.Cluster", "Worker", "Scheduler", "Nanny"}
    payloads = {"Client": ("cluster",)}
    visible_state = {"Future": lambda future: (future.key,)}
