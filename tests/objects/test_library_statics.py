"""What libraries hold, whoever refers to it: one set a library, which has what it holds now."""

from __future__ import annotations

import pytest

from kishu_kernel.detect.connections import connected_names
from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.objects.lasting_answers import LastingAnswers
from kishu_kernel.objects.library_statics import LibraryStatics
from kishu_kernel.objects.reduction_table import ReductionTable


def test_sets_have_what_a_library_holds_now() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    figure = pytest.importorskip("matplotlib.figure").Figure
    statics = LibraryStatics()
    (held,) = statics.of(figure)
    with matplotlib.rc_context():
        dict.__setitem__(matplotlib.rcParams, "font.sans-serif", new := ["a font"])
        assert id(new) not in held
        statics.look_again()
        (again,) = statics.of(figure)
        assert again is held
        assert id(new) in held
    statics.look_again()
    assert id(new) not in held


def test_a_class_of_a_library_that_holds_nothing_has_no_sets() -> None:
    assert LibraryStatics().of(dict) == []


def test_what_was_set_since_the_last_judgement_links_no_figures() -> None:
    """Who walks a class of matplotlib's lasts; what its settings are does not."""
    matplotlib = pytest.importorskip("matplotlib")
    lines = pytest.importorskip("matplotlib.lines")
    table = ReductionTable({})
    answers = LastingAnswers(table)

    def are_linked() -> bool:
        made = []
        for _ in range(2):
            made.append(lines.Line2D([0, 1], [0, 1]))
            made[-1].of_the_settings = matplotlib.rcParams["font.sans-serif"]
        with answers.at_one_moment():
            prints = Fingerprinter(table)
            groups = connected_names({name: prints.take(each) for name, each in zip("ab", made, strict=True)})
        return len(groups) == 1

    with matplotlib.rc_context():
        assert not are_linked()
        assert not are_linked()
        dict.__setitem__(matplotlib.rcParams, "font.sans-serif", ["a font"])
        assert not are_linked()
