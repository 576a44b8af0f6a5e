"""Open files: they come back where nothing is unsure.

That is: a plain file that is still the same one on the disk, at its offset, with nothing in its buffer that the disk
has not got. It is opened by `rebuild` without being made and without being truncated, whatever its mode. A closed one
comes back without a look at the disk.
"""

from __future__ import annotations

import gc
import io
import os
import stat
from typing import Any

from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction

_UNWRITTEN = "not all that was written to {} is on the disk yet: it needs a flush()"


def _raw(file: io.FileIO) -> Reduction:
    from kishu_kernel.objects.rebuild.handles import make_closed, open_again

    if file.closed:
        return make_closed, ("raw", *_label(file))
    where = os.path.abspath(os.fsdecode(_name(file)))
    there, here = os.stat(where), os.fstat(file.fileno())
    if not stat.S_ISREG(here.st_mode) or (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
        raise HeldOutsideError(f"{where} is no longer the file that was opened, or none that has an offset")
    if vars(file).keys() - {"name"} or not file.closefd:
        raise HeldOutsideError("a file that somebody else closes, or that has attributes of its own, cannot be stored")
    return open_again, (where, file.name, file.mode, (here.st_dev, here.st_ino), file.tell())


def _buffered(file: Any) -> Reduction:
    from kishu_kernel.objects.rebuild.handles import make_buffered, make_closed

    if file.closed:
        return make_closed, (type(file).__name__, *_label(file.raw))
    if type(file.raw) is not io.FileIO or vars(file):
        raise HeldOutsideError(f"a {type(file).__name__} over something else than a file cannot be stored")
    _raw(file.raw)  # what it refuses has no offset that could be asked for
    if type(file) is io.BufferedRandom:
        raise HeldOutsideError(f"{file.name} is open to be read and written: what the disk has not got yet is not seen")
    if type(file) is io.BufferedWriter and file.tell() != file.raw.tell():
        raise HeldOutsideError(_UNWRITTEN.format(file.name))
    return make_buffered, (type(file).__name__, file.raw, file.tell())


def _text(file: io.TextIOWrapper) -> Reduction:
    from kishu_kernel.objects.rebuild.handles import make_closed, make_text

    buffer: Any = file.buffer
    if type(buffer) not in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom) or vars(file).keys() - {"mode"}:
        raise HeldOutsideError("a text over something else than a file cannot be stored")
    settings = (file.encoding, file.errors, file.line_buffering, file.write_through)
    mode = vars(file).get("mode")
    if file.closed:
        return make_closed, (type(buffer).__name__, *_label(buffer.raw), mode, *settings)
    newline, pending = _hidden(file)
    if pending:
        raise HeldOutsideError(_UNWRITTEN.format(file.name))
    _buffered(buffer)  # what it refuses is not to be asked for its offset, which would write it
    return make_text, (buffer, mode, newline, *settings, file.tell())


def _hidden(file: io.TextIOWrapper) -> tuple[str | None, bool]:
    """What a text file does with ends of lines, and whether it holds on to text that is not in its buffer yet.

    It tells neither; but it refers to both, in an order that all versions of Python share: encoding, coders, ends of
    lines, what was read (and with it a snapshot), what is to be written, errors.
    """
    known = (file.encoding, file.errors)
    held = [each for each in gc.get_referents(file) if not any(each is one for one in known)]
    texts = [each for each in held if type(each) in (str, bytes, list)]
    if not file.readable():
        if texts == [""] and os.linesep == "\n":  # or the user wrote nothing, and no newline was told: the same, then
            return "", False
        return None, bool(texts)  # an end of lines, or one that was just written? Taken for the latter
    if not any(type(each) is io.IncrementalNewlineDecoder for each in held):
        return texts[0], False  # else it would have one
    was_read = any(type(each) is tuple for each in held)
    if texts == [""] and was_read:
        raise HeldOutsideError("where this file has been read to, it does not tell what it does with ends of lines")
    return "" if len(texts) > was_read or texts == [""] else None, False


def _label(raw: Any) -> tuple[Any, str]:
    if type(raw) is not io.FileIO:
        raise HeldOutsideError("a closed stream over something else than a file cannot be stored")
    return raw.name if type(raw.name) is int else _name(raw), raw.mode  # a number leads nowhere any more: it is a name


def _name(raw: io.FileIO) -> Any:
    if not isinstance(raw.name, (str, bytes, os.PathLike)):
        raise HeldOutsideError("a file that was opened by its number cannot be stored")
    return raw.name


class Files(Library):
    """Files of `io`; what else stands on the disk, and goes when the object does, is refused."""

    packages = ("io", "_io", "mmap", "selectors", "tempfile", "shelve", "dbm")
    exact_reductions = {
        "_io.FileIO": _raw,
        "_io.BufferedReader": _buffered,
        "_io.BufferedWriter": _buffered,
        "_io.BufferedRandom": _buffered,
        "_io.TextIOWrapper": _text,
    }
    external_handles = {
        "selectors.BaseSelector": "open files",
        "tempfile.TemporaryDirectory": "a directory that goes when it does",
        "tempfile._TemporaryFileWrapper": "a file that goes when it does",
        "shelve.Shelf": "an open database",
        "dbm.dumb._Database": "an open database",
    }
    visible_state = {"mmap": lambda held: (held.tell(), held[:])}
