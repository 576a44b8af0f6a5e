"""`python -m kishu_kernel`: launch the kernel, or install and uninstall its kernelspec."""

import os
import sys

if __name__ == "__main__":
    # `-m` puts the working directory first on the path: a notebook's neighbour named json.py would
    # shadow the standard library for the kernel itself. IPython adds it back for the user's code.
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]

    from kishu_kernel.frontend.kernel.launcher import main

    sys.exit(main())
