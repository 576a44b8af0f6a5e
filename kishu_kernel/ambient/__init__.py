"""State outside the namespace that is part of what "as it was" means: random numbers, the working directory, settings.

Each kind of it has a `Provider`, which reads it and writes it. One of your own:

    from kishu_kernel.ambient import Provider, register

    class Precision(Provider):
        name = "precision of decimal"
        module = "decimal"

        def read(self):
            return decimal.getcontext().prec

        def write(self, value):
            decimal.getcontext().prec = value

    register(Precision())

From the next cell on every checkpoint keeps what `read` gave, where it changed; a checkout calls `write` with it.
Those of Python are in `objects/libraries/standard/process_state`, those of a library in its file (`Library.ambient`).

`keeper` has the session's part of it, `values` what that is told in.

Law: what `read` gives is a value, which does not change any more. Nothing is imported for it: a provider is asked
only where the session has imported its module.
"""

from kishu_kernel.ambient.provider import register
from kishu_kernel.objects.ambient_state import LEFT_ALONE, Provider

__all__ = ["LEFT_ALONE", "Provider", "register"]
