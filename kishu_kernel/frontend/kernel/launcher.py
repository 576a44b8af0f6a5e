"""The command line: `python -m kishu_kernel [install | uninstall | kernel arguments]`.

Duty: put the kernelspec where a Jupyter frontend finds it, or hand over to ipykernel's launcher.
Law: nothing heavy is imported before it is known which of the two is asked for.

`pip install` already makes the kernel selectable in its own environment; `install` is for Jupyter
servers that run in another one, so what it writes names this interpreter by its full path.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from kishu_kernel import __version__
from kishu_kernel.process.python_gc import making_what_stays

KERNEL_NAME = "kishu"


class CommandError(Exception):
    """The command cannot be carried out; the text is the one sentence to print."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; those of this process when None.

    Returns:
        The exit status: 0, or 1 after one sentence on stderr. Wrong usage exits with 2.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in ("install", "uninstall"):
        launch(arguments)
        return 0
    options = _parser().parse_args(arguments)
    try:
        if options.command == "install":
            path = install(options.name, options.display_name, options.user, options.prefix)
            print(f"Installed kernelspec {options.name} in {path}")
        else:
            path = uninstall(options.name, options.user, options.prefix)
            print(f"Removed kernelspec {options.name} from {path}")
    except CommandError as error:
        print(f"kishu_kernel {options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def launch(argv: list[str], owner: socket.socket | None = None) -> None:
    """Run the kernel until a client shuts it down.

    Args:
        argv: ipykernel's own arguments.
        owner: a connection; when its other end is closed, whoever started this kernel is gone.
    """
    with making_what_stays():
        from ipykernel.kernelapp import IPKernelApp

        from kishu_kernel.frontend.kernel.kernel import KishuKernel
        from kishu_kernel.frontend.kernel.options import KishuForks
        from kishu_kernel.frontend.kernel.parent_poller import graceful_poller, watch_owner

    if not can_encrypt() and _wants_encryption(argv):
        raise SystemExit(
            "this kernel is to be reached by encrypted connections only (transport_encryption), which ipykernel knows "
            "from version 7.3 on: upgrade ipykernel"
        )
    # `launch_instance` in its three steps, because --help-all and config files know only the
    # options of classes that stand in `classes`.
    app = IPKernelApp.instance(kernel_class=KishuKernel)
    app.classes = [KishuKernel, KishuForks, *app.classes]
    app.version = __version__
    app.initialize(argv)
    if (tracked_shell := app.kernel.tracked_shell) is not None:
        app.poller = graceful_poller(app.poller, tracked_shell.shutdown.on_parent_gone)
        if owner is not None:
            watch_owner(owner, tracked_shell.shutdown.on_parent_gone)
    app.start()


def can_encrypt() -> bool:
    """Whether the ipykernel that is installed can encrypt what it sends (CurveZMQ)."""
    from ipykernel.kernelapp import IPKernelApp

    return "curve_secretkey" in vars(IPKernelApp)  # its base class is jupyter_client's, which may be newer


def install(
    name: str = KERNEL_NAME,
    display_name: str | None = None,
    user: bool = False,
    prefix: Path | None = None,
) -> Path:
    """Write the kernelspec of this interpreter.

    Args:
        name: What `jupyter kernelspec list` shows, and what clients start.
        display_name: What frontends show; the one of `kernel.json` when None.
        user: Install for the current user instead of system-wide.
        prefix: Install into this environment instead.

    Returns:
        The directory that was written, in place of any of the same name.

    Raises:
        CommandError: When the name is not valid or the directory cannot be written.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    with tempfile.TemporaryDirectory() as staging:
        directory = Path(staging, KERNEL_NAME)
        directory.mkdir()
        for file in resources().iterdir():
            shutil.copyfile(file, directory / file.name)  # not its mode: some sites are read-only
        spec = directory / "kernel.json"
        spec.write_text(_for_this_interpreter(spec.read_text("utf-8"), display_name), "utf-8")
        try:
            return Path(
                KernelSpecManager().install_kernel_spec(
                    str(directory),
                    kernel_name=name,
                    user=user,
                    prefix=str(prefix) if prefix else None,
                )
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise _not_writable(_kernels_directory(user, prefix), error) from error


def uninstall(name: str = KERNEL_NAME, user: bool = False, prefix: Path | None = None) -> Path:
    """Remove a kernelspec that `install` wrote to the same location.

    Returns:
        The directory that was removed.

    Raises:
        CommandError: When there is none, when it is another kernel's, or when it cannot be removed.
    """
    kernels = _kernels_directory(user, prefix)
    directory = kernels / name.lower()  # as install_kernel_spec spells it
    if Path(name).name != name or not (directory / "kernel.json").is_file():
        raise CommandError(f"there is no kernelspec {name!r} in {kernels}.")
    if not _is_ours(directory / "kernel.json"):
        raise CommandError(f"{directory} belongs to another kernel; nothing was removed.")
    try:
        if directory.is_symlink():
            directory.unlink()
        else:
            shutil.rmtree(directory)
    except OSError as error:
        raise _not_writable(kernels, error) from error
    return directory


def resources() -> Path:
    """The directory that holds `kernel.json` and the logos."""
    package = Path(__file__).resolve().parents[2]
    for directory in (package / "kernelspec", package.parent / "kernelspec"):  # wheel, checkout
        if (directory / "kernel.json").is_file():
            return directory
    raise CommandError("the files of the kernelspec are missing: install kishu-kernel again.")


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    place = where.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="for the current user only")
    place.add_argument(
        "--sys-prefix",
        action="store_const",
        const=Path(sys.prefix),
        dest="prefix",
        help=f"into this environment, {sys.prefix}".replace("%", "%%"),
    )
    place.add_argument("--prefix", type=_absolute, metavar="DIR", help="into the environment DIR")
    where.add_argument("--name", default=KERNEL_NAME, help="kernelspec name (%(default)s)")

    parser = argparse.ArgumentParser(prog="python -m kishu_kernel")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("install", parents=[where], help="write the kernelspec")
    command.add_argument("--display-name", help="what frontends show (Python 3 (Kishu))")
    commands.add_parser("uninstall", parents=[where], help="remove the kernelspec")
    return parser


def _absolute(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _for_this_interpreter(text: str, display_name: str | None) -> str:
    spec = json.loads(text)
    # pydevd cannot break in frozen modules and warns about them at every start.
    frozen = ["-Xfrozen_modules=off"] if platform.python_implementation() == "CPython" else []
    spec["argv"] = [sys.executable, *frozen, *spec["argv"][1:]]
    spec["display_name"] = display_name or spec["display_name"]
    if not can_encrypt():
        del spec["metadata"]["supported_encryption"]
    return json.dumps(spec, indent=2) + "\n"


def _wants_encryption(argv: Sequence[str]) -> bool:
    """Whether the connection file that the arguments name has the keys for it."""
    files = [following for option, following in pairwise(argv) if option == "-f"]
    try:
        return any("curve_secretkey" in json.loads(Path(file).read_text("utf-8")) for file in files)
    except (OSError, ValueError, TypeError):  # ipykernel says what is wrong with it
        return False


def _kernels_directory(user: bool, prefix: Path | None) -> Path:
    from jupyter_core.paths import SYSTEM_JUPYTER_PATH, jupyter_data_dir

    if user:
        return Path(jupyter_data_dir(), "kernels")
    if prefix is not None:
        return prefix / "share" / "jupyter" / "kernels"
    return Path(SYSTEM_JUPYTER_PATH[0], "kernels")


def _is_ours(spec: Path) -> bool:
    try:
        return "kishu_kernel" in json.loads(spec.read_text("utf-8"))["argv"]
    except (ValueError, KeyError, TypeError):
        return False


def _not_writable(directory: Path, error: OSError) -> CommandError:
    reason = error.strerror or str(error)
    return CommandError(f"cannot write to {directory} ({reason}): try --user or --sys-prefix.")
