"""Which live class is which of the stored ones."""

from __future__ import annotations

import gc

from kishu_kernel.objects.class_tokens import ClassTokens


def _made() -> type:
    return type("C", (), {})


def test_a_class_that_got_another_token_is_not_found_by_the_old_one() -> None:
    tokens, cls = ClassTokens(), _made()
    old = tokens.token_of(cls)
    tokens.note_loaded(cls, b"another")
    assert tokens.token_of(cls) == b"another"
    assert tokens.classes_of(b"another") == [cls]
    assert tokens.classes_of(old) == []
    tokens.note_loaded(cls, old)
    assert (tokens.classes_of(old), tokens.classes_of(b"another")) == ([cls], [])


def test_what_is_gone_leaves_nothing_behind() -> None:
    tokens, kept = ClassTokens(), _made()
    token = tokens.token_of(kept)
    for number in range(20):
        cls = _made()
        tokens.token_of(cls)
        tokens.note_loaded(cls, b"%d" % number)
        tokens.note_loaded(_made(), token)
        del cls
        gc.collect()
    assert tokens.classes_of(token) == [kept]
    assert len(tokens._known) == len(tokens._ids) == 1


def test_the_class_that_came_last_is_the_first() -> None:
    tokens, one, other = ClassTokens(), _made(), _made()
    token = tokens.token_of(one)
    tokens.note_loaded(other, token)
    assert tokens.classes_of(token) == [other, one]
    del other
    gc.collect()
    assert tokens.classes_of(token) == [one]
