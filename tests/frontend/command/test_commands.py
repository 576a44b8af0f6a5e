"""The command line over stores: as a person types it, and what becomes of the stores."""

from __future__ import annotations

import configparser
import importlib
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kishu_kernel import __version__
from kishu_kernel.errors import UntrustedError
from kishu_kernel.frontend.command.commands import commands
from kishu_kernel.frontend.command.terminal import size_in_bytes
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model import SessionId, Version
from kishu_kernel.model.amounts import ago
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.catalog.assignment import claim_store
from kishu_kernel.store.disk.directory import DATA
from tests.frontend.command.commanding import (
    LARGE,
    ROOT,
    environment,
    fill,
    in_json,
    noise,
    of,
    ok,
    program,
    put,
    refused,
    run,
    write_notebook,
)
from tests.kernel.driver import Kernel, environment_of
from tests.store.values import checkpoint_id


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stores"
    monkeypatch.setenv("KISHU_STORE_DIR", str(path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "book.ipynb")


@pytest.fixture
def path(base: Path, book: Path) -> Path:
    return of(book, base)


def value(path: Path, number: int) -> bytes:
    """What a kernel would load; UntrustedError where it would not."""
    store = LmdbStore(path)
    try:
        return store.load(Version(("x",), checkpoint_id(number))).stream
    finally:
        store.close()


def stored(path: Path) -> set[str]:
    """The checkpoints whose values are there."""
    store = LmdbStore(path)
    try:
        return {each.id for each in store.checkpoints() if each.versions[0].stored}
    finally:
        store.close()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], Path]:
    """When called, all that follows is on another machine: another key, other stores. Where those are."""

    def move() -> Path:
        monkeypatch.setenv("KISHU_KEY_FILE", str(tmp_path / "other" / "key"))
        monkeypatch.setenv("KISHU_STORE_DIR", str(tmp_path / "other" / "stores"))
        return tmp_path / "other" / "stores"

    return move


# --- stores


def test_stores_says_whose_they_are(base: Path, path: Path, tmp_path: Path) -> None:
    gone = write_notebook(tmp_path / "gone.ipynb")
    lost = of(gone, base)
    gone.unlink()
    nobody = fill(claim_store(base, None, SessionId("alone")).path)
    lines = ok("stores").splitlines()
    rows = {line.split()[-1]: line for line in lines[1:4]}
    assert rows.keys() == {path.name, lost.name, nobody.name}
    assert "book.ipynb" in rows[path.name]
    assert "gone.ipynb  gone" in rows[lost.name]
    assert rows[nobody.name].startswith("(none)")
    assert all("just now" in row and "MB" in row for row in rows.values())
    assert lines[-1].startswith("3 stores, ")
    assert lines[-1].endswith(str(base))
    told = in_json("stores")
    assert told["directory"] == str(base)
    first = next(each for each in told["stores"] if each["name"] == path.name)
    assert first["path"] == str(path)
    assert first["notebook"] == str(tmp_path / "book.ipynb")
    assert (first["exists"], first["bytes"] > 4 * LARGE) == (True, True)
    assert [each["exists"] for each in told["stores"] if each["name"] == lost.name] == [False]


def test_no_stores(base: Path) -> None:
    assert ok("stores") == f"There are no stores in {base}.\n"
    assert in_json("stores")["stores"] == []
    for command in ("fsck", "gc"):
        assert ok(command) == f"There are no stores in {base}.\n"
        assert in_json(command) == {"stores": []}
    assert not base.exists()


def test_dir_is_taken_before_theenvironment(base: Path, path: Path, tmp_path: Path) -> None:
    other = fill(tmp_path / "others" / "mine")
    assert "mine" in ok("stores", "--dir", tmp_path / "others")
    assert "mine: no problems" in ok("fsck", "mine", "--dir", "others")
    assert other.name not in ok("stores")


def test_what_a_store_says_does_not_reach_the_terminal(base: Path, path: Path) -> None:
    evil = base / "evil\x1b]0;owned\x07\u202e"
    path.rename(evil)
    ref = LmdbStore(evil)
    ref.update_refs({"tag/\x1b[2J": checkpoint_id(7)})
    ref.close()
    outputs = [run("stores"), run("fsck"), run("gc"), run("stores", "--json"), run("fsck", "--json"), run("gc", "nono")]
    outputs += [run("trust", evil, "--check"), run("attach", evil, "book.ipynb"), run("export", evil, "out.kishu")]
    for result in outputs:
        assert not {"\x1b", "\x07", "\u202e"} & set(result.output), result.output
    assert r"evil\x1b]0;owned\x07\u202e" in outputs[0].output
    assert r"\x1b[2J" in outputs[1].output
    assert printable("a\tb\nc\x7f\x9b\ud800 é") == r"a\tb\nc\x7f\x9b\ud800 é"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (40 * 86400, "1 month ago"), (1e9, "31 years ago")],
)
def test_ages(seconds: float, said: str) -> None:
    assert ago(seconds) == said


# --- which store


def test_a_store_has_many_names(base: Path, path: Path, book: Path, tmp_path: Path) -> None:
    of(write_notebook(tmp_path / "other.ipynb"), base)
    link = tmp_path / "link"
    link.symlink_to(path)
    moved = tmp_path / "moved.ipynb"
    for name in (path.name, path.name[:5], path, book, "book.ipynb", "./book.ipynb", link):
        assert ok("fsck", name).startswith(f"{path.name}: no problems"), name
    book.rename(moved)
    for name in (moved, book):
        assert ok("fsck", name).startswith(f"{path.name}: no problems"), name
    assert ok("fsck", path.name, moved).count("no problems") == 1


def test_a_name_that_fits_none_or_several(base: Path, path: Path, tmp_path: Path) -> None:
    other = of(write_notebook(tmp_path / "boots.ipynb"), base)
    nearest = refused("fsck", "bok.ipynb")
    assert "did you mean" in nearest
    assert f"{path.name} ({tmp_path / 'book.ipynb'})" in nearest
    several = refused("gc", "boo")
    assert path.name in several
    assert other.name in several
    assert "there is no store zzzzzz: `jupyter kishu stores` lists" in refused("trust", "zzzzzz")
    assert f"there is no store in {tmp_path}" in refused("fsck", tmp_path)
    write_notebook(tmp_path / "new.ipynb")
    assert f"new.ipynb has no history in {base}" in refused("fsck", "new.ipynb")
    write_notebook(tmp_path / "copy.ipynb", "book-1", "book-2")
    assert f"`jupyter kishu attach {path.name}`" in refused("fsck", "copy.ipynb")
    here = fill(tmp_path / path.name)
    assert f"write ./{path.name} for this one" in refused("fsck", path.name)
    assert ok("fsck", f"./{path.name}").startswith(f"{here.name}: no problems")


# --- fsck


def flip(path: Path, number: int) -> None:
    """One bit of a stored value."""
    content = bytearray((path / DATA).read_bytes())
    content[content.index(noise(number)[1000:1032])] ^= 1
    (path / DATA).write_bytes(content)


def test_fsck_finds_a_flipped_bit_and_repairs(base: Path, path: Path, tmp_path: Path) -> None:
    sound = of(write_notebook(tmp_path / "sound.ipynb"), base)
    assert "4 states, 4 payloads" in ok("fsck", path)
    flip(path, 2)
    before = (path / DATA).read_bytes()
    found = run("fsck")
    assert found.exit_code == 1
    assert f"{sound.name}: no problems" in found.output
    assert f"{path.name}: 2 problems" in found.output
    assert f"x of state {checkpoint_id(2)}" in found.output
    assert (path / DATA).read_bytes() == before
    told = in_json("fsck", path, status=1)["stores"][0]
    assert (told["name"], told["clean"], told["error"]) == (path.name, False, None)
    assert {problem["kind"] for problem in told["problems"]} == {"chunk", "payload"}
    repaired = ok("fsck", path, "--repair")
    assert f"{path.name}: 2 repaired" in repaired
    assert "repaired: x of state" in repaired
    assert f"{path.name}: no problems" in ok("fsck", path)
    assert stored(path) == {checkpoint_id(1), checkpoint_id(3), checkpoint_id(99)}
    assert value(path, 3) == noise(3)


def test_a_store_that_cannot_be_opened_does_not_hide_the_others(base: Path, path: Path) -> None:
    (base / "aaa").mkdir(mode=0o700)
    (base / "aaa" / DATA).write_bytes(b"garbage" * 5000)
    for command in ("fsck", "gc"):
        result = run(command)
        assert result.exit_code == 1
        assert f"{path.name}: " in result.output
        told = in_json(command, status=1)["stores"]
        assert {each["name"] for each in told} == {"aaa", path.name}
        assert [each["error"] for each in told if each["name"] == path.name] == [None]
    assert not isinstance(run("fsck", "aaa", "--repair").exception, Exception)


# --- gc


@pytest.mark.parametrize("limit", [(), ("--limit", "0"), ("--limit", "700 kB")], ids=["", "0", "700 kB"])
def test_gc_removes_what_it_said_it_would(base: Path, path: Path, limit: tuple[str, ...]) -> None:
    would = in_json("gc", path, "--dry-run", *limit)["stores"][0]
    assert stored(path) == set(map(checkpoint_id, (1, 2, 3, 99)))
    did = in_json("gc", path, *limit)["stores"][0]
    assert (would.pop("dry_run"), did.pop("dry_run")) == (True, False)
    assert would == did
    assert did["removed"]["checkpoints"] == (2 if limit else 1)
    assert did["removed"]["bytes"] > (2 if limit else 1) * LARGE
    assert stored(path) == set(map(checkpoint_id, (2, 3) if limit else (1, 2, 3)))  # a tag, the branch and its head
    assert ok("gc", path, *limit).startswith(f"{path.name}: nothing to drop (")
    assert "no problems" in ok("fsck", path)


def test_gc_of_all_stores(base: Path, path: Path, tmp_path: Path) -> None:
    other = of(write_notebook(tmp_path / "other.ipynb"), base)
    lines = ok("gc", "-n").splitlines()
    assert {line.split(":")[0] for line in lines} == {path.name, other.name}
    assert all(re.search(r"would drop 3\d\d kB, the values of 1 state; ", line) for line in lines)
    assert len(re.findall(r": dropped 3\d\d kB", ok("gc"))) == 2


def test_compact_gives_bytes_back(base: Path, path: Path) -> None:
    size = (path / DATA).stat().st_size
    assert "gave" not in ok("gc", path, "--limit", "0")
    assert (path / DATA).stat().st_size >= size
    assert "gave " in ok("gc", path, "--compact")
    assert (path / DATA).stat().st_size < size - LARGE
    told = in_json("gc", path, "--compact")["stores"][0]["compacted"]
    assert told["before"] == told["after"]
    assert value(path, 3) == noise(3)


def test_compact_refuses_while_a_kernel_has_it_open(base: Path, path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kishu_kernel.store import LmdbStore\n"
        "LmdbStore(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        size = (path / DATA).stat().st_size
        result = run("gc", path, "--compact")
        assert result.exit_code == 1
        *_, error = result.output.splitlines()
        assert "is in use: shut down the kernels that have it open, and try again" in error
        assert ": dropped 3" in result.output  # which it may do
        assert (path / DATA).stat().st_size >= size
        told = in_json("gc", path, "--compact", status=1)["stores"][0]
        assert "is in use" in told["error"]
        assert told["compacted"] is None
        other.communicate("")
    assert "gave " in ok("gc", path, "--compact")


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("17", 17), ("500MB", 500_000_000), ("5 gb", 5 * 10**9), ("1.5GiB", 3 << 29), ("20g", 2 * 10**10)],
)
def test_sizes(text: str, number: int) -> None:
    assert size_in_bytes(None, None, text) == number  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "MB", "-1", "1e9", "nan", "5 gigs", "5i", "0x10", "1" * 50])
def test_no_sizes(base: Path, path: Path, text: str) -> None:
    result = run("gc", path, f"--limit={text}")
    assert result.exit_code == 2
    assert "is not a size: write one like 500MB" in result.output


def test_what_excludes_each_other_is_wrong_usage(base: Path, path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong = [
        ("gc", "--dry-run", "--compact"),
        ("import", "file", "--notebook", "a", "--to", "b"),
        ("trust", path, "--yes", "--check"),
        ("trust", path, "--json"),
        ("fsck", "--no-such-option"),
        ("attach", path, "no-such-notebook.ipynb"),
        ("import", "no-such-file"),
        ("no-such-command",),
    ]
    for arguments in wrong:
        assert run(*arguments).exit_code == 2, arguments


# --- to another machine


def test_a_history_goes_to_another_machine(
    base: Path, path: Path, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    told = ok("export", "book.ipynb", "book.kishu")
    assert told.startswith("book.kishu: 4 states, 4 payloads, 1.2 MB. ")
    assert stat.S_IMODE((tmp_path / "book.kishu").stat().st_mode) == 0o600

    there = elsewhere()
    notebook = write_notebook(tmp_path / "there.ipynb")
    told = ok("import", "book.kishu", "--notebook", notebook)
    assert "It is untrusted" in told
    (new,) = there.iterdir()
    assert told.splitlines()[-1] == f"If you know where it comes from: jupyter kishu trust {new.name}"
    with pytest.raises(UntrustedError):
        value(new, 3)
    checked = run("trust", notebook, "--check")
    assert checked.exit_code == 1
    assert "4 of 4 states, 4 of 4 payloads" in checked.output
    assert "1 session" in checked.output
    assert "Not all of it is yours." in checked.output
    assert in_json("trust", notebook, "--check", status=1)["trusted"] is False
    problems = run("fsck", notebook)
    assert problems.exit_code == 1
    assert "are not signed with your key" in problems.output

    declined = run("trust", notebook, input="n\n")
    assert declined.exit_code == 1
    assert "can run any program" in declined.output
    silent = run("trust", notebook, input="")
    assert silent.exit_code == 1
    with pytest.raises(UntrustedError):
        value(new, 3)
    accepted = ok("trust", notebook, input="y\n")
    assert "Accept it? [y/N]: y" in accepted
    assert value(new, 3) == noise(3)
    assert "All of it is yours." in ok("trust", notebook)
    moved = notebook.rename(tmp_path / "moved.ipynb")
    assert claim_store(there, str(moved), SessionId("s")).path == new
    assert in_json("stores")["stores"][0]["notebook"] == str(moved)
    moved.rename(notebook)
    assert in_json("trust", notebook, "--check")["trusted"] is True
    assert "no problems" in ok("fsck")


def test_what_is_one_s_own_needs_no_trust(base: Path, path: Path, tmp_path: Path) -> None:
    ok("export", path, "book.kishu")
    told = ok("import", "book.kishu", "--to", tmp_path / "new")
    assert told == f"{tmp_path / 'new'}: 4 states, 4 payloads, 1.2 MB\n"
    assert value(tmp_path / "new", 3) == noise(3)
    assert "there is something at" in refused("import", "book.kishu", "--to", tmp_path / "new")
    names = {ok("import", "book.kishu").split(":")[0] for _ in range(3)}
    assert names == {"book", "book-2", "book-3"}


def test_without_a_notebook_it_is_attached_later(
    base: Path, path: Path, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    ok("export", path, "book.kishu")
    there = elsewhere()
    assert "jupyter kishu attach book NOTEBOOK" in ok("import", "book.kishu")
    notebook = write_notebook(tmp_path / "there.ipynb")
    ok("trust", "book", "--yes")
    ok("attach", "book", notebook)
    assert value(claim_store(there, str(notebook), SessionId("s")).path, 3) == noise(3)


@pytest.mark.parametrize("target", ["second", checkpoint_id(2), "HEAD~1", "In[2]"])
def test_one_state(base: Path, path: Path, tmp_path: Path, target: str) -> None:
    told = ok("export", path, "state.kishu", "--target", target)
    assert told.startswith("state.kishu: 2 states, 1 payload, 300 kB")
    ok("import", "state.kishu", "--to", "new")
    assert stored(tmp_path / "new") == {checkpoint_id(2)}
    assert value(tmp_path / "new", 2) == noise(2)


def test_export_says_what_is_wrong(base: Path, path: Path, tmp_path: Path) -> None:
    assert "there is no state, branch or tag 'third'" in refused("export", path, "a", "--target", "third")
    assert "is ambiguous" in refused("export", path, "a", "--target", "0000")
    assert "cannot be written" in refused("export", path, tmp_path / "nowhere" / "a")
    (tmp_path / "taken").write_text("precious")
    assert "--force replaces it" in refused("export", path, "taken")
    assert (tmp_path / "taken").read_text() == "precious"
    ok("export", path, "taken", "--force")
    assert zipfile.is_zipfile(tmp_path / "taken")
    assert "is not used" in refused("import", write_notebook(tmp_path / "no-bundle"))


def test_import_replaces_no_history(base: Path, path: Path, tmp_path: Path) -> None:
    ok("export", path, "book.kishu")
    before = (path / DATA).read_bytes()
    assert "this notebook has a history already" in refused("import", "book.kishu", "--notebook", "book.ipynb")
    (tmp_path / "book.ipynb").rename(tmp_path / "moved.ipynb")
    assert "this notebook has a history already" in refused("import", "book.kishu", "--notebook", "moved.ipynb")
    assert (path / DATA).read_bytes() == before
    opened = write_notebook(tmp_path / "opened.ipynb")
    place = claim_store(base, str(opened), SessionId("s")).path
    store = LmdbStore(place)  # a kernel was there, and no cell was run
    busy = [
        sys.executable,
        "-m",
        "kishu_kernel.frontend.command.commands",
        "import",
        "book.kishu",
        "--notebook",
        str(opened),
    ]
    done = subprocess.run(busy, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is in use: shut down the kernels" in done.stderr
    store.close()
    ok("import", "book.kishu", "--notebook", opened)
    assert value(place, 3) == noise(3)
    assert f"{place.name}: no problems" in ok("fsck", opened)


# --- attach


def test_attach_of_a_notebook_that_was_moved_and_edited(base: Path, path: Path, book: Path, tmp_path: Path) -> None:
    book.unlink()
    new = write_notebook(tmp_path / "new.ipynb", "all", "other", "cells")
    assert f"new.ipynb has no history in {base}" in refused("fsck", new)
    assert f"{path.name} is now the history of {new}." in ok("attach", "book.ipynb", new)
    assert claim_store(base, str(new), SessionId("s")).path == path
    assert f"{path.name}: no problems" in ok("fsck", new)


def test_attach_of_a_copied_notebook(base: Path, path: Path, book: Path, tmp_path: Path) -> None:
    copy = write_notebook(tmp_path / "copy.ipynb", "book-1", "book-2")
    assert f"copy.ipynb now has a copy of {path.name}" in ok("attach", path.name, "copy.ipynb")
    place = claim_store(base, str(copy), SessionId("s")).path
    assert place != path
    assert stored(place) == stored(path)
    store = LmdbStore(place)
    put(store, 4, {"branch/main": checkpoint_id(4)})
    store.close()
    assert checkpoint_id(4) not in stored(path)
    assert claim_store(base, str(book), SessionId("s")).path == path
    assert "has a history of its own" in refused("attach", path.name, copy)


def test_attach_of_a_store_elsewhere(base: Path, path: Path, tmp_path: Path) -> None:
    far = fill(tmp_path / "far" / "away")
    notebook = write_notebook(tmp_path / "new.ipynb")
    assert f"is not in {base}: `export` it, and `import` it with --notebook" in refused("attach", far, notebook)


# --- as a program


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from kishu_kernel.frontend.command.commands import main\n"
        "sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code)\n"
        "heavy = ('lmdb', 'numpy', 'backports.zstd', 'compression.zstd', 'zstandard', 'ipykernel', 'jupyter_core',"
        " 'cloudpickle', 'dill')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-2:] == ["0", "[]"], done.stderr
    assert "jupyter kishu gc --dry-run" in done.stdout


def test_every_command_has_help_with_examples() -> None:
    for name in commands.commands:
        told = ok(name, "-h")
        assert "Usage: " in told
        assert name == "stores" or f"jupyter kishu {name} " in told
    assert ok("--version") == f"kishu-kernel {__version__}\n"


def test_errors_go_to_stderr_and_the_rest_to_stdout(base: Path, path: Path) -> None:
    done = program("fsck", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: there is no store nowhere")
    assert done.stderr.count("\n") == 1
    done = program("stores", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["stores"]) == 1
    done = program("gc", "--limit", "x")
    assert (done.returncode, done.stdout) == (2, "")
    done = program("fsck", str(path))
    assert (done.returncode, done.stderr) == (0, "")  # no progress, where nobody watches


def read_all(screen: int) -> Iterator[str]:
    """What was written to a terminal that everybody else has closed."""
    with suppress(OSError), open(screen, "rb", buffering=0) as file:
        while data := file.read(1 << 16):
            yield data.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_who_watches_sees_how_far_it_is(base: Path, path: Path) -> None:
    code = (
        "from kishu_kernel.frontend.command import commands, terminal\n"
        "terminal.QUIET = -1\n"  # as if it took long
        "commands.main()"
    )
    screen, terminal = os.openpty()
    command = [sys.executable, "-c", code, "fsck", "--json"]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=terminal, timeout=60)
    os.close(terminal)
    seen = "".join(read_all(screen))
    assert json.loads(done.stdout)["stores"][0]["clean"]
    assert f"Checking {path.name}" in seen
    assert "100%" in seen


def test_a_pipe_that_is_closed_is_no_error(base: Path, path: Path) -> None:
    command = f"{sys.executable} -m kishu_kernel.frontend.command.commands fsck --json | true"
    done = subprocess.run(["sh", "-c", command], env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_of_any_alphabet_are_printed_on_any_terminal(base: Path, tmp_path: Path) -> None:
    of(write_notebook(tmp_path / "naïve-日本.ipynb"), base)
    command = [sys.executable, "-m", "kishu_kernel.frontend.command.commands", "stores"]
    done = subprocess.run(command, env=environment(PYTHONIOENCODING="latin-1"), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "na\xefve-\\u65e5\\u672c.ipynb".encode("latin-1") in done.stdout


def test_a_shell_completes_names_of_stores(base: Path, path: Path) -> None:
    done = program(_JUPYTER_KISHU_COMPLETE="bash_complete", COMP_WORDS="jupyter-kishu fsck boo", COMP_CWORD="2")
    assert done.stdout == f"plain,{path.name}\n"
    done = program(_JUPYTER_KISHU_COMPLETE="bash_complete", COMP_WORDS="jupyter-kishu fsck zz", COMP_CWORD="2")
    assert done.stdout == "file,zz\n"
    done = program(_JUPYTER_KISHU_COMPLETE="bash_source")
    assert "complete -o nosort -F _jupyter_kishu_completion jupyter-kishu" in done.stdout


def test_the_wheel_makes_it_a_subcommand_of_jupyter(tmp_path: Path, base: Path, path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheel")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = (tmp_path / "wheel").glob("kishu_kernel-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (metadata,) = (tmp_path / "site").glob("kishu_kernel-*.dist-info")
    scripts = configparser.ConfigParser()
    scripts.read(metadata / "entry_points.txt")
    assert dict(scripts["console_scripts"]) == {"jupyter-kishu": "kishu_kernel.frontend.command.commands:main"}
    module, function = scripts["console_scripts"]["jupyter-kishu"].split(":")
    assert callable(getattr(importlib.import_module(module), function))

    script = tmp_path / "bin" / "jupyter-kishu"  # as pip writes it
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    script.chmod(0o755)
    places = os.pathsep.join([str(script.parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": places, "PYTHONPATH": str(tmp_path / "site"), "JUPYTER_PREFER_ENV_PATH": "0"}
    how = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run([str(script), "fsck", "book.ipynb"], **how)
    assert (done.returncode, done.stdout.split(":")[0]) == (0, path.name), done.stderr
    done = subprocess.run([sys.executable, "-m", "jupyter_core", "kishu", "fsck", "book.ipynb"], **how)
    assert (done.returncode, done.stdout.split(":")[0]) == (0, path.name), done.stderr


# --- with kernels


def test_variables_go_to_a_kernel_on_another_machine(tmp_path: Path) -> None:
    def machine(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    def kishu(home: Path, *arguments: str) -> str:
        command = [sys.executable, "-m", "kishu_kernel.frontend.command.commands", *arguments]
        done = subprocess.run(
            command, env=environment_of(home, {}), cwd=home, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    here, there = machine("here"), machine("there")
    notebooks = [write_notebook(home / "book.ipynb", "one", "two") for home in (here, there)]
    with Kernel(here, environment={"JPY_SESSION_NAME": str(notebooks[0])}) as kernel:
        kernel.ok("x = [1]; y = x")
        kernel.ok("x.append(2)")
        kernel.ok("x.append(3)")
        kernel.close(gracefully=True)
    assert "book.ipynb" in kishu(here, "stores")
    kishu(here, "export", "book.ipynb", str(tmp_path / "book.kishu"))
    assert "untrusted" in kishu(there, "import", str(tmp_path / "book.kishu"), "--notebook", "book.ipynb")
    with Kernel(there, environment={"JPY_SESSION_NAME": str(notebooks[1])}) as kernel:
        refusal = kernel.run("%kishu resume")
        assert refusal.status == "error"
        assert "jupyter kishu trust" in str(refusal)
        assert kernel.value("'x' in globals()") is False
    kishu(there, "trust", "book.ipynb", "--yes")
    with Kernel(there, environment={"JPY_SESSION_NAME": str(notebooks[1])}) as kernel:
        kernel.ok("%kishu resume")
        assert kernel.value("(x, x is y)") == ([1, 2, 3], True)
