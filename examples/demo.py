"""Run demo.ipynb in the kernel, cell by cell, then travel in time. Checks all that it claims.

A plain Jupyter client: `execute_request` for the cells, `kishu_request` for the rest. Exits with 1
and one sentence if a state that comes back is not the state that was.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

NOTEBOOK = Path(__file__).with_name("demo.ipynb")
TIMEOUT = 120
WIDTH = 80

# A state as seen from inside: the content of what matters.
PROBE = """__import__("json").dumps({
    "df": ("df" in globals()) and int(__import__("pandas").util.hash_pandas_object(df).sum()),
    "labelled": ("df" in globals()) and "diagnosis" in df.columns,
    "scores": ("scores" in globals()) and dict(scores),
    "params": ("search" in globals()) and dict(search.best_params_),
})"""

# Which objects the names stand for.
IDENTITIES = "{name: id(value) for name, value in globals().items()}"

State = dict[str, Any]


class Surprise(Exception):
    """The kernel did not do what this demo says it does."""


def main() -> None:
    """Play the whole story."""
    screen = Screen()
    cells = [c.source for c in nbformat.read(NOTEBOOK, 4).cells if c.cell_type == "code"]
    with running_kernel() as kernel:
        screen.title(f"{NOTEBOOK.name} in the kernel Python 3 (Kishu)")
        story = run_notebook(kernel, cells, screen)
        screen.title("the log")
        show_log(kernel, screen)
        screen.title("the slip, undone")
        undone = undo_slip(kernel, story, screen)
        screen.title("another idea, from an early state")
        back = try_another_idea(kernel, story, screen)
        status = kernel.kishu("status")
    summary(story, undone, back, status, screen)


# -- the story ------------------------------------------------------------------------------------


class Story:
    """What the notebook's run left behind: checkpoints, states and times, one for each cell."""

    def __init__(self) -> None:
        self.checkpoints: list[State] = []
        self.states: dict[int, State] = {}  # of the cells that the story comes back to
        self.seconds: list[float] = []  # until the reply, checkpoint included

    @property
    def cells_seconds(self) -> float:
        """Time in the cells themselves."""
        return sum(c["duration"] for c in self.checkpoints)

    def find(self, code: str) -> int:
        """The index of the cell that contains `code`."""
        return next(i for i, c in enumerate(self.checkpoints) if code in c["code"])


def run_notebook(kernel: Kernel, cells: list[str], screen: Screen) -> Story:
    """Run the cells as a person would; after each one, tell what its checkpoint cost."""
    story = Story()
    screen.row("", "cell", "ran for", "+ kishu", "holds", "wrote", style="dim")
    for number, code in enumerate(cells, 1):
        seconds = kernel.run(code)
        (checkpoint,) = kernel.settled_log(limit=1)
        story.checkpoints.append(checkpoint)
        story.seconds.append(seconds)
        # Not after each cell: what a probe may have touched is looked at with the next one.
        if code.startswith(("train, test =", "scores =", "del df")):
            story.states[number - 1] = kernel.probe()
        screen.row(
            str(number),
            code.splitlines()[0],
            duration(checkpoint["duration"]),
            duration(max(seconds - checkpoint["duration"], 0)),
            size(checkpoint["payload_bytes"]),
            size(checkpoint["written_bytes"]),
        )
    screen.note("+ kishu: until the reply, the messages' own way included")
    screen.note("holds, wrote: the new versions, and what of them the store did not have yet")
    return story


def show_log(kernel: Kernel, screen: Screen) -> None:
    """Print what a client gets for {"operation": "log"}."""
    log = kernel.kishu("log")
    for checkpoint in log["checkpoints"]:
        marks = [("created", "+"), ("modified", "~"), ("deleted", "-")]
        touched = "  ".join(f"{sign} {', '.join(checkpoint[kind])}" for kind, sign in marks if checkpoint[kind])
        here = " <- HEAD" if checkpoint["id"] == log["head"] else ""
        screen.line(f"{checkpoint['id'][:8]}  In[{checkpoint['execution_count']}]{here}", touched)


def undo_slip(kernel: Kernel, story: Story, screen: Screen) -> State:
    """Undo the last cell, which deleted the labels in place."""
    last = len(story.checkpoints) - 1
    before, slip = story.states[last - 1], story.states[last]
    expect(before["labelled"] and not slip["labelled"], "the last cell deletes the labels")
    screen.line('"diagnosis" in df', "False: the labels are gone")

    objects = kernel.evaluate(IDENTITIES)
    reply = kernel.kishu("undo")
    state, objects_after = kernel.probe(), kernel.evaluate(IDENTITIES)
    screen.travel("undo", reply)
    expect(not reply["plan"]["replay"], "undo re-runs no cell")
    expect(reply["head"] == story.checkpoints[-2]["id"], "the head is the cell before")
    for what in before:
        expect(state[what] == before[what], f"undo brings back {what}")
    kept = [name for names in reply["plan"]["keep"] for name in names]
    for name in kept:
        expect(objects[name] == objects_after[name], f"{name} is the same object as before")
    screen.good(f"the labels are back; {len(kept)} names still stand for the very same objects")
    return reply


def try_another_idea(kernel: Kernel, story: Story, screen: Screen) -> State:
    """Go to the state before the model, run something else there, and come back."""
    early, late = story.find("train, test ="), len(story.checkpoints) - 2

    target = story.checkpoints[early]["id"]
    screen.travel(f"checkout {target[:8]}", kernel.kishu("checkout", target=target))
    state = kernel.probe()
    expect(state == story.states[early], f"checkout brings back In[{early + 1}]")
    screen.good("before the model: no `search`, no `scores`; now another idea from here")

    idea = """\
search = make_pipeline(StandardScaler(), LogisticRegression())
search.fit(train[measured], train["diagnosis"] == "malignant")
truth = test["diagnosis"] == "malignant"
scores = {"logistic": roc_auc_score(truth, search.predict_proba(test[measured])[:, 1])}"""
    kernel.run(idea)
    (branch,) = kernel.settled_log(limit=1)
    expect(branch["parent"] == target, "a cell run after a checkout starts a branch")
    logistic = kernel.evaluate("scores")["logistic"]
    screen.line("a branch", f"logistic regression scores {logistic:.4f}")

    target = story.checkpoints[late]["id"]
    reply = kernel.kishu("checkout", target=target)
    state = kernel.probe()
    screen.travel(f"checkout {target[:8]}", reply)
    for what in ("df", "labelled", "scores", "params"):
        expect(state[what] == story.states[late][what], f"coming back brings back {what}")
    (other,) = (c for c in kernel.kishu("log", all=True)["checkpoints"] if c["id"] == branch["id"])
    expect(other["code"].strip() == idea, "the branch is still there")
    boosting = state["scores"]["boosting"]
    screen.good(f"the fitted boosting model is here again ({boosting:.4f}), not fitted again;")
    screen.good(f"the logistic one waits in {branch['id'][:8]}")
    return reply


def summary(story: Story, undone: State, back: State, status: State, screen: Screen) -> None:
    """What it cost, and what it was worth."""
    cells, replies = story.cells_seconds, sum(story.seconds)
    again = sum(c["duration"] for c in story.checkpoints[:-1])
    store = status["store"]
    screen.title("what it cost")
    share = f"{duration(cells)} in cells, {duration(replies - cells)} more for kishu"
    screen.line("running the notebook", share)
    screen.line("in the store", f"{size(store['bytes'])} for {store['checkpoints']} states")
    screen.line("restart and run all", f"{duration(again)}, were there no undo")
    screen.line("undo", f"{duration(undone['seconds'])}, re-ran nothing")
    screen.line("back from a branch", f"{duration(back['seconds'])}, model included")
    screen.title("yours")
    screen.line("jupyter lab", 'choose "Python 3 (Kishu)", work as always')
    screen.line("%kishu undo", "take the last cell back")
    screen.line("%kishu log", "see where you can go; %kishu checkout ID goes there")


def expect(fact: object, claim: str) -> None:
    """Stop the demo if a claim does not hold."""
    if not fact:
        raise Surprise(f"not as it should be: {claim}")


# -- the client -----------------------------------------------------------------------------------


class Kernel:
    """A started kernel and the two kinds of message that the story needs."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, code: str) -> float:
        """Run a cell and return the seconds until its reply.

        Raises:
            Surprise: When the cell raises.
        """
        started = time.perf_counter()
        reply = self._reply(self.client.execute(code, allow_stdin=False))
        seconds = time.perf_counter() - started
        expect(reply["status"] == "ok", f"a cell runs ({reply.get('evalue')})")
        return seconds

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of literals; leaves no checkpoint."""
        request = self.client.execute("", silent=True, user_expressions={"it": expression})
        result = self._reply(request)["user_expressions"]["it"]
        expect(result["status"] == "ok", f"a probe is answered ({result.get('evalue')})")
        return ast.literal_eval(result["data"]["text/plain"])

    def probe(self) -> State:
        """The session's state as plain values."""
        state: State = json.loads(self.evaluate(PROBE))
        return state

    def kishu(self, operation: str, **parameters: Any) -> State:
        """Send one `kishu_request` and return the content of its reply."""
        request = self.client.session.msg("kishu_request", {"operation": operation, **parameters})
        self.client.shell_channel.send(request)
        reply = self._reply(request["header"]["msg_id"])
        expect(reply["status"] == "ok", f"{operation} is answered ({reply.get('evalue')})")
        return reply

    def settled_log(self, limit: int) -> list[State]:
        """The log, once the last checkpoint is written and its sizes are known."""
        deadline = time.monotonic() + TIMEOUT
        while self.kishu("status")["pending"]:
            expect(time.monotonic() < deadline, "a checkpoint gets written")
            time.sleep(0.01)
        checkpoints: list[State] = self.kishu("log", limit=limit)["checkpoints"]
        return checkpoints

    def _reply(self, request: str) -> State:
        while True:
            message = self.client.get_shell_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == request:
                content: State = message["content"]
                return content


@contextmanager
def running_kernel() -> Iterator[Kernel]:
    """A kernel of its own, with a store that goes when it goes."""
    manager = KernelManager(kernel_name="kishu")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as store:
        here = {"KISHU_STORE_DIR": store, "JPY_SESSION_NAME": str(NOTEBOOK)}
        # Errors only: ipykernel warns of plain TCP at every start, on this terminal.
        manager.start_kernel(env={**os.environ, **here}, extra_arguments=["--log-level=ERROR"])
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=TIMEOUT)
            yield Kernel(client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel()


# -- the screen -----------------------------------------------------------------------------------


STYLES = {"bold": "1", "dim": "2", "good": "32", "accent": "36"}


class Screen:
    """80 columns of plain text, in colour where a terminal wants it (see no-color.org)."""

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def title(self, text: str) -> None:
        print(f"\n{self._style('bold', text)}\n{self._style('dim', '-' * WIDTH)}")

    def row(self, number: str, code: str, *figures: str, style: str = "") -> None:
        columns = "".join(f"{figure:>10}" for figure in figures)
        print(self._style(style, f"{number:>3}  {clip(code, 34):<34}{columns}"), flush=True)

    def line(self, left: str, right: str) -> None:
        print(f"  {self._style('accent', f'{left:<26}')}{clip(right, WIDTH - 28)}", flush=True)

    def note(self, text: str) -> None:
        print(self._style("dim", f"     {text}"))

    def good(self, text: str) -> None:
        print(f"  {self._style('good', 'ok')}  {text}", flush=True)

    def travel(self, action: str, reply: State) -> None:
        plan = reply["plan"]
        expect(reply["applied"] and not plan["lost"], f"{action} loses nothing")
        kept, loaded = sum(map(len, plan["keep"])), sum(len(e["names"]) for e in plan["load"])
        counts = f"{kept} kept, {loaded} loaded, {len(plan['delete'])} deleted"
        self.line(action, f"{duration(reply['seconds']):>8}  {counts}, {len(plan['replay'])} re-run")

    def _style(self, style: str, text: str) -> str:
        if not self.colour or style not in STYLES:
            return text
        return f"\033[{STYLES[style]}m{text}\033[0m"


def clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


if __name__ == "__main__":
    try:
        main()
    except Surprise as surprise:
        sys.exit(f"demo: {surprise}")
