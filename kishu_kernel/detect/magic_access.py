"""What the text of a magic means: which words it spells, which Python it runs, what it can reach.

Law: only text is read, no IPython asked. A magic that is not in the tables can do anything (`dynamic`).
Neighbour: `access` analyses the Python that is found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kishu_kernel.detect.bytecode import MagicCall
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.model.pattern import pattern


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They run their text as Python in the user namespace.
_CODE = _words("time timeit prun capture")

# Their body goes unexpanded to another process, a file or the page: only their line names variables.
_FOREIGN_BODY = _words(
    "HTML SVG bash file html javascript js latex markdown perl pypy python python2 python3 ruby script sh svg writefile"
)

# They touch the variables that their text names, or none.
_NAME_ONLY = _words(
    "! alias alias_magic autoawait autocall autoindent automagic autosave bookmark cat cd"
    " clear colors conda config connect_info cp dhist dirs doctest_mode env gui hist history"
    " kishu killbgscripts ldir less lf lk ll load loadpy logoff logon logstart logstate"
    " logstop ls lsmagic lx magic mamba man matplotlib micromamba mkdir more mv notebook page"
    " pastebin pdb pdef pdoc pfile pinfo pinfo2 pip popd pprint precision psearch psource"
    " pushd pwd pycat qtconsole quickref recall rehashx rep rm rmdir save sc set_env store"
    " subshell sx system tb unalias uv who who_ls whos xdel xmode"
)

_MAGIC_LINE = pattern(
    r"^(?P<indent>[ \t]*)(?P<target>[^\W\d][\w., \t]*=[ \t]*)?(?P<mark>%|!!?)(?P<text>[^\n]*)$",
    re.M,
)
_HELP_LINE = pattern(r"^(?P<indent>[ \t]*)(?:\?{1,2}[%\w.*]+|[%\w.*]+\?{1,2})[ \t]*$", re.M)


@dataclass(frozen=True, slots=True)
class Magic:
    """What one call of a magic may do.

    Attributes:
        text: words in it may be names of variables.
        code: cells, not yet transformed, that it runs one after the other.
        dynamic: it can reach variables that its text does not name.
    """

    text: str = ""
    code: tuple[str, ...] = ()
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the text of a magic that runs code.

    Attributes:
        source: the Python, with what is not Python taken out.
        options: what was taken for the magic's own options.
        magics: the magics and commands that stood inside.
    """

    source: str
    options: str = ""
    magics: tuple[MagicCall, ...] = ()


def read_magic(call: MagicCall) -> Magic:
    """What this call of a magic may do."""
    name, line, body = (*call, "")[:3]
    if name == "store" and "-r" in line.split():
        return Magic(line, dynamic=True)
    if name in _FOREIGN_BODY:
        return Magic(line)
    if name in _NAME_ONLY:
        return Magic(f"{line}\n{body}")
    if name == "timeit":
        # The line of %%timeit is its setup, run in the same function as the body.
        return Magic(code=(f"{line}\n{body}",))
    if name == "capture":
        return Magic(line, code=(body,))
    if name in _CODE:
        return Magic(code=(line, body))
    return Magic(f"{line}\n{body}", dynamic=True)


def readings(text: str) -> Iterator[Reading]:
    """Ways to read the text of a magic that runs code, the likeliest first.

    They are: as it is; with lines that are magics, commands or help taken out; without its leading options. Which
    options take a value is not known here, so words are taken off one by one until the caller can parse the rest.
    """
    yield Reading(text)
    yield _split(text)
    rest = text
    while rest.lstrip().startswith("-"):
        rest = _without_first(rest)
        yield _split(rest, text)
        if not rest.lstrip().startswith("-"):
            rest = _without_first(rest)
            yield _split(rest, text)


def _without_first(text: str) -> str:
    line, newline, rest = text.partition("\n")
    return "".join([*line.split(None, 1)[1:], newline, rest])


def _split(text: str, whole: str = "") -> Reading:
    options = whole[: len(whole) - len(text)]
    if text.lstrip().startswith("%%"):
        line, _, body = text.lstrip().partition("\n")
        return Reading("", options, ((*_name_and_line(line[2:]), body),))
    calls: list[MagicCall] = []

    def take(found: re.Match[str]) -> str:
        if found["mark"] == "%":
            calls.append(_name_and_line(found["text"]))
        else:
            calls.append(("!", found["text"]))
        return f"{found['indent']}{found['target'] or ''}None"

    def take_help(found: re.Match[str]) -> str:
        calls.append(("pinfo", found[0]))
        return f"{found['indent']}None"

    source = _HELP_LINE.sub(take_help, _MAGIC_LINE.sub(take, text))
    return Reading(source, options, tuple(calls))


def _name_and_line(text: str) -> tuple[str, str]:
    name, _, line = text.strip().partition(" ")
    return name, line
