"""What takes long: the stop button is honoured at once and leaves everything whole; how far it is can be seen."""

from __future__ import annotations

import random
import time

from tests.support.soak import seeds

from .driver import Kernel

BIG = "import numpy as np\na = np.zeros(12_000_000); b = [1]"
SLOW = """
import time

class Slow:
    "Takes its time to be stored: 0.2 s for twenty."
    def __reduce__(self):
        time.sleep(0.01)
        return Slow, ()
"""


@seeds(3, 8)
def test_an_interrupted_checkout_is_whole_or_nothing(shared: Kernel, seed: int) -> None:
    kernel = shared
    kernel.ok(BIG)
    kernel.ok(f"a += {seed + 1}; b.append({seed})")
    kernel.ok(f"a += {seed + 1}; b.append('more')")
    there = (2 * (seed + 1), [1, seed, "more"])
    request = kernel.send("kishu_request", {"operation": "undo", "steps": 2})
    kernel.taken_up(request)
    time.sleep(random.Random(seed).uniform(0, 0.15))
    kernel.interrupt()
    reply = kernel.reply(request)
    assert reply["status"] == "ok" or reply["ename"] == "KeyboardInterrupt", reply
    went = reply["status"] == "ok"
    state = "int(a.min()), int(a.max()), b"
    assert kernel.value(state) == ((0, 0, [1]) if went else (there[0], *there))
    kernel.done("redo", steps=2) if went else kernel.done("undo")
    kernel.done("checkout", target="In[{}]".format(kernel.done("log")["checkpoints"][0]["execution_count"]))
    kernel.ok("a += 1; b.append('after')")
    kernel.done("undo")
    low, high, _ = kernel.value(state)
    assert low == high


@seeds(3, 6)
def test_an_interrupted_checkpoint_is_made_up_for(shared: Kernel, seed: int) -> None:
    kernel = shared
    kernel.library("slowly", SLOW)
    kernel.ok(BIG + "\nfrom slowly import Slow")
    running = kernel.begin(f"a += {seed + 1}; b.append({seed}); slow = [Slow() for _ in range(20)]; print('ran')")
    kernel.until(running, "ran")  # what is printed is sent on the way into the checkpoint
    time.sleep(random.Random(seed).uniform(0, 0.15))
    kernel.interrupt()
    ran = kernel.end(running)
    assert ran.status == "ok"
    assert "Kishu could not store the state after this cell (KeyboardInterrupt" in ran.stderr
    after = (seed + 1, seed + 1, [1, seed])
    kernel.ok("c = 1")
    kernel.done("undo")
    assert kernel.value("int(a.min()), int(a.max()), list(b)") == after
    assert kernel.request("checkout", target="HEAD~1")["ename"] == "LostError"  # what it made was kept with the next
    kernel.done("checkout", target="HEAD~1", allow_lost=True)
    kernel.done("checkout", target=kernel.done("status")["branch"] or "main")


def test_a_long_replay_says_how_far_it_is(kernel: Kernel) -> None:
    kernel.ok("import time")
    kernel.ok("time.sleep(1.5); gen = (i for i in [1, 2])")
    kernel.ok("del gen")
    running = kernel.begin("%kishu undo")
    kernel.reply(running)
    shown = [(kind, each) for kind, each in kernel.idle(running) if kind.endswith("display_data")]
    assert shown[0][1]["data"]["text/plain"].startswith("[kishu] re-running cell 1 of 1")
    assert [kind for kind, _ in shown[1:]] == ["update_display_data"] * (len(shown) - 1)  # no row of its own is left
    assert len({each["transient"]["display_id"] for _, each in shown}) == 1
    assert "now at" in shown[-1][1]["data"]["text/plain"]
    assert not any("kishu" in mimetype for mimetype in shown[-1][1]["data"])
    assert kernel.value("list(gen)") == [1, 2]


def test_what_is_quick_says_nothing(kernel: Kernel) -> None:
    kernel.ok("x = [1]")
    kernel.ok("x.append(2)")
    ran = kernel.ok("%kishu undo")
    assert ["now at" in each["text/plain"] for each in ran.results] == [True]


def test_the_reply_does_not_wait_for_the_disk(kernel: Kernel) -> None:
    kernel.ok("import numpy as np")
    kernel.ok("big = np.random.default_rng(0).random(40_000_000)")
    assert kernel.done("status")["pending"] is True  # 320 MB that do not compress
    assert kernel.done("status", channel="control")["pending"] is True
    kernel.ok("small = 1")  # touches nothing of it
    while kernel.done("status")["pending"]:
        time.sleep(0.05)
    _, making, _ = kernel.done("log")["checkpoints"]
    assert making["written_bytes"] >= making["payload_bytes"] >= 320_000_000
    kernel.ok("total = big.sum(); big[:] = 0")
    kernel.done("undo")
    assert kernel.value("bool(big.sum() > 1e6)") is True
