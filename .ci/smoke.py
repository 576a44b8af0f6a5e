"""Start the installed kernel, run a cell, undo it.

The argument is the environment that the kernel must be in.
"""

import sys
from pathlib import Path

from jupyter_client.kernelspec import get_kernel_spec
from jupyter_client.manager import start_new_kernel


def main(prefix: str) -> None:
    """Exit with a message unless the kernel of `prefix` works."""
    directory = Path(get_kernel_spec("kishu").resource_dir).resolve()
    assert directory.is_relative_to(Path(prefix).resolve()), directory

    manager, client = start_new_kernel(kernel_name="kishu")
    try:
        for code in ("x = [1]", "x.append(2)"):
            assert client.execute_interactive(code, timeout=60)["content"]["status"] == "ok"
        message = client.session.msg("kishu_request", {"operation": "undo"})
        client.shell_channel.send(message)
        reply = client.get_shell_msg(timeout=60)
        assert reply["msg_type"] == "kishu_reply", reply
        assert reply["content"]["status"] == "ok", reply["content"]
        reply = client.execute_interactive("assert x == [1]", timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(f"kernel in {directory}: ran two cells, undid one")


if __name__ == "__main__":
    main(sys.argv[1])
