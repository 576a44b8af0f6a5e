"""The tools that only look. They are answered while a cell runs, too.

Law: as in `kishu_kernel.frontend.mcp`. Annotations are objects, not text: those who serve these functions read them.
"""

from typing import Any

from kishu_kernel.client import Client
from kishu_kernel.errors import KishuError, NoKernelError, RequestError
from kishu_kernel.frontend.mcp.answers import (
    difference_answer,
    fitting,
    output_answer,
    page,
    pictures,
    slim,
    state_answer,
    texts,
    variable_answer,
)
from kishu_kernel.frontend.mcp.answers import (
    names as named,
)
from kishu_kernel.frontend.mcp.kernels import KERNELS, name_of, short_name
from kishu_kernel.model.amounts import counted, size

Json = dict[str, Any]

MOST_LISTED = 100
"""States or variables in one answer."""
MOST_PICTURE = 1_400_000
"""Characters of a picture, in Base64: a megabyte."""


def kishu_status(kernel: str | None = None) -> dict[str, Any]:
    """Tells which notebooks have a running kernel, and in which state one of them is.

    Call this first. `state` is the id of the state that the session is in, `digest` a hash of the values of all its
    variables: where two digests are equal, so are all variables, in whichever kernel. `began` and `resumed_from` say
    when this kernel started, and from which older state it went on. "can_resume" says that an earlier kernel of this
    notebook ended, whose variables kishu_resume brings back.

    Args:
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
    """
    running = [name_of(each) for each in KERNELS.running()]
    if kernel is None and KERNELS.default is None and len(running) != 1:
        told = f"{len(running)} kernels with Kishu are running: name one of them in `kernel`."
        none = f"No kernels with Kishu are running. {NoKernelError.hint}"
        return {"kernels": running[:MOST_LISTED], "told": told if running else none}
    return {"kernels": running[:MOST_LISTED]} | KERNELS.answer(kernel, _status)


def kishu_log(
    kernel: str | None = None,
    limit: int = 20,
    everywhere: bool = False,
    text: str | None = None,
    variable: str | None = None,
) -> dict[str, Any]:
    """Lists states, newest first: each with its cell's code and the variables that the cell changed.

    There is one state after each cell. A `state` id, its first 4 or more letters, `In[7]`, a branch, a tag, `HEAD` or
    `HEAD~2` is what other tools take as `target`.

    Args:
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        limit: how many states, at most 100.
        everywhere: of all branches, forks and earlier sessions, not only those that led to the present state.
        text: only states in whose code, message, names, branches or tags this occurs, everywhere.
        variable: only states that changed this variable.
    """
    most = max(1, min(limit, MOST_LISTED))

    def ask(client: Client) -> Json:
        head = client.status()["head"]
        if text is not None:
            reply = client.search(text, most)
        elif variable is not None:
            reply = client.variable(variable, most)
        else:
            reply = client.log(most, all=everywhere)
        states, cut_off = fitting(state_answer(each, head) for each in reply["checkpoints"])
        more = "there are more: ask with a higher limit, or for a text or a variable"
        return {"head": head, "states": states, **slim({"more": (reply["truncated"] or cut_off) and more})}

    return KERNELS.answer(kernel, ask)


def kishu_show(target: str = "HEAD", kernel: str | None = None, start: int = 0, code_start: int = 0) -> dict[str, Any]:
    """Shows one state: its cell's code, the output that the cell had, and what it changed.

    Args:
        target: a state's id or its first letters, `In[7]`, a branch, a tag, `HEAD`, `HEAD~2`.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        start: begin the output at this character, to read on where it was cut.
        code_start: begin the code at this character.
    """

    def ask(client: Client) -> Json:
        reply = client.show(target)
        each = reply["checkpoint"]
        answer = state_answer(each, client.status()["head"])
        if not each["take"]:
            del answer["code"]
            on = f"kishu_show(target='{each['id']}', code_start="
            answer |= page("code", each["code"], max(0, code_start), on)
        variables = {"variables": len(reply["variables"])}
        output = output_answer(reply["outputs"], each["id"], max(0, start))
        return {**answer, **variables, **output, **slim({"note": reply["outputs_note"]})}

    return KERNELS.answer(kernel, ask)


def kishu_picture(target: str = "HEAD", number: int = 1, kernel: str | None = None) -> Any:
    """Shows a picture that a cell displayed, as a plot, so that you see it.

    Args:
        target: the cell's state: its id or its first letters, `In[7]`, a branch, a tag, `HEAD`, `HEAD~2`.
        number: which one, where the cell displayed several.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
    """

    def ask(client: Client) -> Json:
        found = pictures(client.show(target)["outputs"])
        if not 0 < number <= len(found):
            raise RequestError(
                f"the cell of {target} displayed {counted(len(found), 'picture')}, and no number {number}"
            )
        kind, data = found[number - 1]
        if len(data) > MOST_PICTURE:
            raise RequestError(f"this picture has {size(len(data))}: display a smaller one, with a lower dpi")
        return {"mime_type": kind, "data": data}

    picture = KERNELS.answer(kernel, ask)
    from mcp_types import ImageContent  # whoever serves this has it

    return ImageContent(mime_type=picture["mime_type"], data=picture["data"])


def kishu_diff(target: str, base: str = "HEAD", kernel: str | None = None, values: bool = True) -> dict[str, Any]:
    """Tells which variables differ between two states, and how: from `base` to `target`.

    The states may be of different branches or forks of one notebook. Nothing in the session changes.

    Args:
        target: a state's id or its first letters, `In[7]`, a branch, a tag, `HEAD`, `HEAD~2`.
        base: the state to compare with; the one that the session is in if not given.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        values: also tell how values differ; false answers while a cell runs, too.
    """
    return KERNELS.answer(kernel, lambda client: difference_answer(client.diff(target, base, values)))


def kishu_variables(
    names: list[str] | None = None, target: str | None = None, kernel: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Lists variables: type, shape, size, a preview, and the state that changed each last. Runs no code.

    Args:
        names: only these.
        target: as they were in another state: an id, `In[7]`, a branch, a tag, `HEAD~2`.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        limit: how many, at most 100.
    """

    def ask(client: Client) -> Json:
        reply = client.inspect(names, target, limit=max(1, min(limit, MOST_LISTED)))
        found, cut_off = fitting(variable_answer(each) for each in reply["variables"])
        more = f"there are {reply['total']}: name those that you want to see"
        before = "a cell is running: this is how they were before it"
        more_or_not = (reply["truncated"] or cut_off) and more
        return {"variables": found, **slim({"more": more_or_not, "note": reply.get("now") is False and before})}

    return KERNELS.answer(kernel, ask)


def _status(client: Client) -> Json:
    reply = client.status()
    own = short_name(client.connection_file)
    ended = reply["ended"]
    return {
        "connection_file": own,
        **slim({"state": reply["head"], "branch": reply["branch"]}),
        "digest": reply["state"],
        "began": reply["kernel"]["started"],
        **slim(
            {
                "resumed_from": reply["kernel"]["resumed_from"],
                "can_redo": reply["redo"] is not None,
                "can_resume": ended and f"{ended['variables']} variables of the session that ended at {ended['head']}",
                "warnings": texts(reply["warnings"]),
                "branches": named(_branches(client)),
            }
        ),
    }


def _branches(client: Client) -> list[str]:
    try:
        states = client.log(MOST_LISTED, all=True)["checkpoints"]
    except KishuError:  # of a store that cannot be read now, `warnings` tell
        return []
    return [name for each in states for name in each["branches"]]
