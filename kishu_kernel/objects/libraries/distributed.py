"""Dask's distributed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from kishu_kernel.objects.library import Library


def _cluster(cluster: Any) -> tuple[Any, ...]:
    # How many workers there are is what code asks for; which ones, the cluster decides all the time.
    return cluster.name, str(cluster.status), len(getattr(cluster, "worker_spec", ()))


def _client(client: Any) -> tuple[Any, ...]:
    return client.id, client.status, client.cluster, client.rpc


def _future(future: Any) -> tuple[Any, ...]:
    client = future.client
    return future.key, future.cancelled(), None if client is None else client.rpc


class Distributed(Library):
    """Clients and clusters are threads and connections that never rest; given work, they are the same as before.

    A future is known by its key. It depends on its client, as all do that a cell makes by calls into Dask, and does not
    join it: gone or made anew, it leaves the client alone. That a client was closed is seen by its connections.
    """

    untraversable = {"Client", "distributed.deploy.cluster.Cluster", "Worker", "Scheduler", "Nanny"}
    labels = {"distributed.core.ConnectionPool", "Client", "distributed.deploy.cluster.Cluster"}
    visible_state = {
        "Future": _future,
        "Client": _client,
        "distributed.deploy.cluster.Cluster": _cluster,
        "distributed.core.ConnectionPool": lambda pool: (str(pool.status),),
    }

    called_anew = {"Client", "distributed.deploy.cluster.Cluster"}
    quiet_threads = {"distributed.profile._watch"}  # it looks at what the loop does; not there on Python 3.11
    sends = True

    def current(self) -> Iterable[object]:
        """Clients that whatever is computed or kept on a cluster goes to, though no code names them."""
        module = sys.modules.get("distributed.client")
        return () if module is None else list(module._global_clients.values())

    def draws_beside(self) -> bool:
        """A scheduler in this process, and connections, guess sizes by samples, and wait by chance."""
        return bool(self.current())
