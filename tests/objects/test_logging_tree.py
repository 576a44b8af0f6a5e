"""The tree of loggers, without a kernel."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from kishu_kernel.objects.libraries.standard import logging_tree
from kishu_kernel.objects.libraries.standard.logging_tree import Logging
from kishu_kernel.objects.live_objects import live_objects


@pytest.fixture
def tree() -> Iterator[logging_tree._Tree]:
    yield type(Logging.ambient[0])()  # type: ignore[misc]
    logging.getLogger("book").handlers.clear()


def test_an_interrupt_while_handlers_fall_silent_leaves_none_silent(
    tree: logging_tree._Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = [logging.StreamHandler(), logging.StreamHandler()]
    asked = []

    def interrupted(obj: object) -> str:
        asked.append(obj)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(live_objects, "variable", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tree.begin_rerun()
    tree.end_rerun()
    assert not any("handle" in vars(each) for each in (*handlers, *logging.root.handlers))
    assert "open" not in vars(logging)


def test_a_handler_in_the_place_of_one_that_was_there_is_another_one(tree: logging_tree._Tree) -> None:
    """What the kernel began with may be gone; its `id` is given again."""
    before = logging.NullHandler()
    place = id(before)
    tree.start()
    del before
    made = [logging.NullHandler()]
    while id(made[-1]) != place and len(made) < 1000:
        made.append(logging.NullHandler())
    logging.getLogger("book").addHandler(made[-1])
    assert list(tree.read()[0]) == ["book"]


def test_nobody_is_kept_who_is_in_no_variable_and_no_tree(tree: logging_tree._Tree) -> None:
    tree.start()
    handler = logging.NullHandler()
    assert tree.read()[1] == {}
    assert not live_objects.knows(handler)
