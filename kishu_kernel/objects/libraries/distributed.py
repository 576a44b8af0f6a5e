"""Dask's distributed."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _cluster(cluster: Any) -> tuple[Any, ...]:
    # How many workers there are is what code asks for; which ones, the cluster decides all the time.
    return cluster.name, str(cluster.status), len(getattr(cluster, "worker_spec", ()))


class Distributed(Library):
    """A future is known by its key and its client; a client, a cluster do not change when they are given work."""

    visible_state = {
        "Future": lambda future: (future.key, future.client),
        "Client": lambda client: (client.id, client.status),
        "Cluster": _cluster,
    }
