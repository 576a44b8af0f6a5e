from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from kishu_kernel.errors import StoreError
from kishu_kernel.store.catalog import filesystems
from kishu_kernel.store.catalog.filesystems import base_for, local_base, network_file_system

pytestmark = pytest.mark.skipif(os.name == "nt", reason="mount points as POSIX has them")


class Mount(NamedTuple):
    mountpoint: str
    fstype: str
    device: str = "/dev/sda1"
    opts: str = "rw,relatime"


ROOT = Mount("/", "ext4")


@pytest.mark.parametrize(
    "fstype",
    [
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre"),
        *("gpfs", "beegfs", "fuse.sshfs", "sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.rclone", "fuse.s3fs"),
        *("fuse.gcsfuse", "vboxsf", "davfs", "afpfs", "webdav", "NFS"),
    ],
)
def test_network_file_systems(fstype: str) -> None:
    assert network_file_system(Path("/mnt/home/ada/x"), [ROOT, Mount("/mnt/home", fstype)]) == fstype


@pytest.mark.parametrize(
    "fstype",
    [
        *("ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "apfs", "hfs", "ntfs", "fuseblk", "fuse", "vfat", "f2fs"),
        *("virtiofs", "fuse.encfs", "fuse.gocryptfs", "ecryptfs", "bcachefs", "squashfs", "autofs", ""),
    ],
)
def test_local_file_systems(fstype: str) -> None:
    assert network_file_system(Path("/mnt/home/ada"), [ROOT, Mount("/mnt/home", fstype)]) is None


@pytest.mark.parametrize("device", ["//server/share", "server:/export", "ada@server:/home", "10.0.0.1:/x"])
def test_an_unknown_kind_from_another_machine(device: str) -> None:
    assert network_file_system(Path("/n/x"), [ROOT, Mount("/n", "fuse.new", device)]) == "fuse.new"


@pytest.mark.parametrize("device", ["/dev/mapper/a:b", "tank/home", "overlay", "none", "map auto_home", "tmpfs"])
def test_a_local_device(device: str) -> None:
    assert network_file_system(Path("/n/x"), [ROOT, Mount("/n", "new", device)]) is None


def test_the_longest_mount_point_counts_and_of_equals_the_last() -> None:
    mounts = [
        ROOT,
        Mount("/home", "nfs4"),
        Mount("/home/local", "xfs"),
        Mount("/data", "autofs"),
        Mount("/data", "nfs"),
    ]
    for path, kind in {
        "/home/ada": "nfs4",
        "/home": "nfs4",
        "/home/local/ada": None,
        "/homes/ada": None,
        "/data/x": "nfs",
        "/": None,
    }.items():
        assert network_file_system(Path(path), mounts) == kind
    assert network_file_system(Path("/x"), []) is None
    assert network_file_system(Path("/x"), [Mount("/", "nfs")]) == "nfs"  # a diskless machine


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/mnt/net")
    assert network_file_system(tmp_path / "link" / "store", [ROOT, Mount("/mnt/net", "nfs")]) == "nfs"


def test_windows_says_remote() -> None:
    assert network_file_system(Path("/z/x"), [Mount("/z", "NTFS", "Z:", "rw,remote")]) == "NTFS"


def test_this_machine_answers(tmp_path: Path) -> None:
    kinds = {partition.fstype for partition in psutil.disk_partitions(all=True)}
    assert network_file_system(tmp_path) in {None, *kinds}


# --- the way out


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /var/tmp."""
    place = tmp_path / "tmp"
    place.mkdir()
    place.chmod(0o1777)
    monkeypatch.setattr(filesystems, "_local_parents", lambda: [place])
    return place


def test_a_local_base_is_named_by_the_user_and_closed(parent: Path) -> None:
    old = os.umask(0)
    try:
        base = local_base([ROOT])
    finally:
        os.umask(old)
    assert base == parent / f"kishu-{os.getuid()}" / "stores"
    assert stat.S_IMODE(base.parent.stat().st_mode) == 0o700
    base.parent.chmod(0o755)
    assert local_base([ROOT]) == base
    assert stat.S_IMODE(base.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("what", ["link", "dangling", "file", "foreign"])
def test_what_somebody_else_put_there_is_not_used(parent: Path, tmp_path: Path, what: str) -> None:
    path = parent / f"kishu-{os.getuid()}"
    if what == "link":
        (tmp_path / "theirs").mkdir()
        path.symlink_to(tmp_path / "theirs")
    elif what == "dangling":
        path.symlink_to(tmp_path / "nothing")
    elif what == "file":
        path.write_text("")
    else:
        path.mkdir()
        try:
            os.chown(path, 12345, 12345)
        except PermissionError:
            pytest.skip("only root can give directories away")
    with pytest.raises(StoreError, match="name a store directory"):
        local_base([ROOT])
    assert not (tmp_path / "nothing").exists()


def test_where_anybody_may_exchange_directories_none_is_made(parent: Path) -> None:
    parent.chmod(0o777)
    if os.geteuid():
        assert local_base([ROOT])  # it is our own
    else:
        os.chown(parent, 12345, 12345)
        with pytest.raises(StoreError, match="exchange"):
            local_base([ROOT])


def test_where_everything_is_remote(parent: Path) -> None:
    with pytest.raises(StoreError, match="network file system, too"):
        local_base([Mount("/", "nfs")])


def test_the_base_that_is_used(parent: Path, tmp_path: Path) -> None:
    base = tmp_path / "home" / "stores"
    mounts = [ROOT, Mount(str(tmp_path / "home"), "nfs4")]
    assert base_for(base, False, [ROOT]) == (base, None)
    assert base_for(base, True, mounts) == (base, None)
    local, told = base_for(base, False, mounts)
    assert local == local_base([ROOT])
    assert told is not None
    assert str(base) in told
    assert str(local) in told
    assert "nfs4" in told
    assert not base.exists()


def test_the_usual_places() -> None:
    assert filesystems._local_parents()[0] == Path("/var/tmp")
    assert Path(tempfile.gettempdir()) in filesystems._local_parents()
