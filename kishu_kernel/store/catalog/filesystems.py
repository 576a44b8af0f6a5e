"""On which disk a directory is: LMDB shares memory between processes, which network file systems cannot.

Law: a history is kept on a local disk, unless the user insists. Where it lies elsewhere than expected, the user is
told.
Neighbour: `paths` knows where stores lie otherwise.
"""

from __future__ import annotations

import getpass
import os
import re
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kishu_kernel.errors import StoreError

_NETWORK = frozenset(
    """9p acfs afpfs afs auristorfs beegfs ceph cifs coda cvmfs davfs dvs fhgfs gfs gfs2 gfarm gfarm2fs glusterfs
    gpfs juicefs lizardfs lustre mmfs moosefs ncp ncpfs nfs ocfs2 openafs orangefs panfs prl_fs pvfs2 quobyte
    seaweedfs smb smbfs vboxsf vmhgfs weka wekafs webdav xtreemfs
    blobfuse blobfuse2 ceph-fuse curlftpfs davfs2 gcsfuse goofys google-drive-ocamlfuse gvfsd-fuse hdfs rclone s3fs
    sshfs vmhgfs-fuse""".split()  # noqa: SIM905
)
"""Their names, without `fuse.` before and a version behind. Not `virtiofs`, which is of one machine and coherent."""

"""How mount tables name what is mounted from another machine: `//host/share`, `user@host:/path`."""


class Partition(Protocol):
    """As `psutil.disk_partitions` gives them."""

    @property
    def device(self) -> str: ...  # noqa: D102

    @property
    def mountpoint(self) -> str: ...  # noqa: D102

    @property
    def fstype(self) -> str: ...  # noqa: D102

    @property
    def opts(self) -> str: ...  # noqa: D102


def network_file_system(path: Path, partitions: Sequence[Partition] | None = None) -> str | None:
    """The type of the network file system that a path is on; None for a local one. The path need not exist.

    Args:
        partitions: what is mounted where; None: ask the system. Where that does not answer, all is local.
    """
    if partitions is None:
        import psutil

        try:
            partitions = psutil.disk_partitions(all=True)
        except (OSError, psutil.Error):
            return None
    real = os.path.normcase(os.path.realpath(path))
    if real.startswith("\\\\"):
        return "smb"
    found: Partition | None = None
    for partition in partitions:
        # the longest prefix; of several, the last: it was mounted over the others
        if _below(real, partition.mountpoint) and (found is None or len(partition.mountpoint) >= len(found.mountpoint)):
            found = partition
    return found.fstype if found is not None and _remote(found) else None


def base_for(base: Path, force: bool = False, partitions: Sequence[Partition] | None = None) -> tuple[Path, str | None]:
    """Where to keep stores that are meant for `base`.

    Args:
        force: there, whatever disk it is on.

    Returns:
        The directory, and where it is another one, a sentence that says so, for the user.

    Raises:
        StoreError: `base` is on a network file system, and there is no local directory to be had.
    """
    kind = None if force else network_file_system(base, partitions)
    if kind is None:
        return base, None
    local = local_base(partitions)
    return local, (
        f"{base} is on a network file system ({kind}), where a history is not safe: it is kept in {local}, "
        "on this machine only"
    )


def local_base(partitions: Sequence[Partition] | None = None) -> Path:
    """A directory of this user for stores on a local disk, if possible one that survives a reboot.

    Raises:
        StoreError: there is none, or somebody else put something in its place.
    """
    troubles: list[str] = []
    for parent in _local_parents():
        path = parent / f"kishu-{_user()}"
        kind = network_file_system(parent, partitions)
        if kind is not None:
            troubles.append(f"{parent} is on a network file system, too ({kind})")
            continue
        try:
            _claim(path)
            return path / "stores"
        except (OSError, StoreError) as error:
            troubles.append(str(error))
    raise StoreError(f"there is no local directory for a history ({'; '.join(troubles)}): name a store directory")


def _local_parents() -> list[Path]:
    if os.name == "nt":
        places = [os.environ.get("LOCALAPPDATA"), tempfile.gettempdir()]
    else:
        places = ["/var/tmp", tempfile.gettempdir()]
    return [Path(place) for place in dict.fromkeys(places) if place]


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else re.sub(r"\W", "_", getpass.getuser())


def _claim(path: Path) -> None:
    """Create a directory in a place where everybody can, or make sure that the existing one is ours."""
    parent = path.parent.stat()
    if os.name == "nt":
        path.mkdir(exist_ok=True)
        return
    if parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX and parent.st_uid != os.getuid():
        raise StoreError(f"in {path.parent} anybody may exchange the directories of others")
    with suppress(FileExistsError):
        path.mkdir(0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)  # not what a link leads to
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.getuid():
            raise StoreError(f"{path} belongs to another user")
        if stat.S_IMODE(facts.st_mode) != 0o700:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _below(path: str, mount: str) -> bool:
    mount = os.path.normcase(mount).rstrip("/\\")
    return path == mount or path.startswith((mount + "/", mount + "\\"))


def _remote(partition: Partition) -> bool:
    if "remote" in partition.opts.split(","):  # as Windows says it of mapped drives
        return True
    names = partition.fstype.lower().split(".")
    if any(name in _NETWORK or name.rstrip("0123456789.") in _NETWORK for name in names):
        return True
    return os.name != "nt" and _is_share(partition.device)


def _is_share(device: str) -> bool:
    """//host/share, host:/share, or what begins with two backslashes."""
    host, _, share = device.partition(":")
    mounted = bool(host) and "/" not in host and share[:1] == "/"
    return mounted or device[:2] == "\\\\" or (device[:2] == "//" and device[2:3] not in ("", "/"))
