"""Dask's distributed."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _cluster(cluster: Any) -> tuple[Any, ...]:
    # How many workers there are is what code asks for; which ones, the cluster decides all the time.
    return cluster.name, str(cluster.status), len(getattr(cluster, "worker_spec", ()))


class Distributed(Library):
    """Clients and clusters are threads and connections that never rest; given work, they are the same as before.

    A future is known by its key, and is nobody's but its client's.
    """

    untraversable = {"Client", "distributed.deploy.cluster.Cluster", "Worker", "Scheduler", "Nanny"}
    visible_state = {
        "Future": lambda future: (future.key, future.client),
        "Client": lambda client: (client.id, client.status, client.cluster),
        "distributed.deploy.cluster.Cluster": _cluster,
    }
