"""py4j, by which Spark speaks to its virtual machine."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Py4J(Library):
    """A thread of its own tells the other side what nobody here has any more."""

    quiet_threads = {"FinalizerWorker"}
