"""Cells for `os.fork` in a kernel: its children answer over pipes. And what a child has lost, found out by trying."""

from __future__ import annotations

BEGIN = '''
def _serve(commands, answers):
    """The child: runs each code that comes, and answers with what it printed."""
    import contextlib, io, json, os
    with os.fdopen(commands) as lines:
        for line in lines:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(json.loads(line), globals())
            os.write(answers, (json.dumps(printed.getvalue()) + "\\n").encode())

def _forked(number, code):
    import json, os, sys
    children = _forked.children = {}
    sys.stdout.flush()
    for _ in range(number):
        (commands, to_child), (from_child, answers) = os.pipe(), os.pipe()
        if not (pid := os.fork()):
            try:
                for each in children.values():
                    os.close(each[0])
                os.close(to_child)
                _serve(commands, answers)
            finally:
                os._exit(0)
        os.close(commands), os.close(answers)
        children[pid] = to_child, os.fdopen(from_child)
    print(json.dumps(dict(zip(children, _asked(code)))))

def _asked(code):
    import json, os
    for to_child, _ in _forked.children.values():
        os.write(to_child, (json.dumps(code) + "\\n").encode())
    return [json.loads(answers.readline()) for _, answers in _forked.children.values()]

def _ended():
    import os
    for pid, (to_child, answers) in _forked.children.items():
        os.close(to_child)
        os.waitpid(pid, 0)
        answers.close()
'''
END = "_ended()"


def fork(number: int, code: str) -> str:
    """The cell that forks, and prints as JSON: the pid of each child -> what `code` printed in it."""
    return f"_forked({number}, {code!r})"


def ask(code: str) -> str:
    """The cell that runs code in each child, and prints as JSON what it printed, in a list."""
    return f"print(__import__('json').dumps(_asked({code!r})))"


LOSSES = """
import json, os, threading, zmq
context = zmq.Context.instance()
here, there = context.socket(zmq.PULL), context.socket(zmq.PUSH)
port = here.bind_to_random_port("tcp://127.0.0.1")
there.connect(f"tcp://127.0.0.1:{port}")
there.send(b"before"); here.recv()
held, release = threading.Lock(), threading.Event()
def _hold():
    with held:
        release.wait()
threading.Thread(target=_hold, daemon=True).start()
while not held.locked(): pass
threads = len(os.listdir("/proc/self/task"))
_forked(1, "import os; print(len(os.listdir('/proc/self/task')))")
release.set()
alone, = _asked("print(len(os.listdir('/proc/self/task')))")
locked, = _asked("print(held.acquire(timeout=1))")
_asked("there.send(b'after', zmq.NOBLOCK)")
arrived = bool(here.poll(1000))
answered = held.acquire(timeout=5)
_ended()
print("\\n" + json.dumps({"threads": threads, "threads of the child": int(alone),
    "a lock is released in the kernel": answered, "a lock is released in the child": "True" in locked,
    "a message of the child arrives": arrived}))
"""
"""The cell that finds out what a child has lost, and prints it in its last line."""
