"""The shell as cells set it goes back on an undo, forwards on a redo, and is there in a kernel started anew.

What the kernel itself, or a library once for all, has registered with the shell never moves.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

from pathlib import Path

from .conftest import Start
from .driver import Kernel
from .ways import Way, walked

IP = "ip = get_ipython()"

MAGICS: dict[str, Way] = {
    "an extension and its mode": (
        IP,
        "%load_ext autoreload\n%autoreload 2",
        "'IPython.extensions.autoreload' in ip.extension_manager.loaded, 'autoreload' in ip.magics_manager.magics['line'] and ip.magics_manager.magics['line']['autoreload'].__self__._reloader.check_all, [len(ip.events.callbacks[n]) for n in ('pre_run_cell', 'post_execute')]",
    ),
    "another mode": (
        "1",
        "%autoreload 1",
        "ip.magics_manager.magics['line']['autoreload'].__self__._reloader.enabled, ip.magics_manager.magics['line']['autoreload'].__self__._reloader.check_all",
    ),
    "a module that is left out": (
        "import textwrap",
        "%aimport -textwrap",
        "ip.magics_manager.magics['line']['autoreload'].__self__._reloader.skip_modules",
    ),
    "a line magic": (
        "from IPython.core.magic import register_line_magic, register_cell_magic",
        "@register_line_magic\ndef hi(line): return 'hi ' + line",
        "ip.magics_manager.magics['line'].get('hi', 0) is globals().get('hi') and ip.run_line_magic('hi', 'x')",
    ),
    "a line magic that no variable holds": (
        "1",
        "@register_line_magic\ndef ho(line): return 'ho ' + line\ndel ho",
        "'ho' in ip.magics_manager.magics['line'] and ip.run_line_magic('ho', 'x')",
    ),
    "a cell magic": (
        "1",
        "@register_cell_magic\ndef twice(line, cell): return cell * 2",
        "'twice' in ip.magics_manager.magics['cell'] and ip.run_cell_magic('twice', '', 'x')",
    ),
    "magics of a class": (
        "from IPython.core.magic import Magics, magics_class, line_magic",
        "@magics_class\nclass Mine(Magics):\n    @line_magic\n    def mine(self, line): return line.upper()\nip.register_magics(Mine)",
        "'mine' in ip.magics_manager.magics['line'] and (ip.run_line_magic('mine', 'x'), ip.magics_manager.magics['line']['mine'].__self__.shell is ip)",
    ),
    "a magic in the place of IPython's": (
        "1",
        "ip.register_magic_function(lambda line: 'mine', 'line', 'who_ls')",
        "ip.run_line_magic('who_ls', 'str') == 'mine'",
    ),
    "an alias": (
        "1",
        "%alias say echo said",
        "'say' in ip.magics_manager.magics['line'] and ip.magics_manager.magics['line']['say'].cmd",
    ),
    "an alias that is gone": ("1", "%unalias say", "'say' in ip.magics_manager.magics['line']"),
    "a magic under another name": (
        "1",
        "%alias_magic t timeit",
        "'t' in ip.magics_manager.magics['line'] and ip.magics_manager.magics['line']['t'].magic_name",
    ),
}

SETTINGS: dict[str, Way] = {
    "which expressions are shown": (IP, "ip.ast_node_interactivity = 'all'", "ip.ast_node_interactivity"),
    "which are shown, by %config": (
        "1",
        "%config InteractiveShell.ast_node_interactivity = 'last_expr_or_assign'",
        "ip.ast_node_interactivity",
    ),
    "precision": (
        "import math; plain = ip.display_formatter.formatters['text/plain']",
        "%precision 3",
        "plain(math.pi), plain is ip.display_formatter.formatters['text/plain']",
    ),
    "pretty printing": ("1", "%pprint", "plain.pprint"),
    "the width of it": ("1", "plain.max_width = 33", "plain.max_width"),
    "how errors are told": ("1", "%xmode Plain", "ip.InteractiveTB.mode"),
    "magics without a mark": ("1", "%automagic off", "ip.automagic, ip.magics_manager.auto_magic"),
    "the debugger": ("1", "%pdb on", "ip.call_pdb"),
    "the completer": (
        "1",
        "%config Completer.use_jedi = True\n%config IPCompleter.greedy = True",
        "ip.Completer.use_jedi, ip.Completer.greedy",
    ),
}

FORMATTERS: dict[str, Way] = {
    "for a class": (
        IP + "; html = ip.display_formatter.formatters['text/html']",
        "class H: pass\ndef draw(h): return '<b>'\n_ = html.for_type(H, draw); h = H()",
        "'h' in globals() and (html(h), html.type_printers[H] is draw)",
    ),
    "by a function that no variable holds": (
        "class H2: pass",
        "_ = html.for_type(H2, lambda h: '<i>')",
        "html(H2())",
    ),
    "for a class of a library, by name": (
        "import fractions",
        "_ = html.for_type_by_name('fractions', 'Fraction', lambda f: '<f>')",
        "html(fractions.Fraction(1, 2))",
    ),
    "one that is gone": ("1", "_ = html.pop(H2)", "H2 in html.type_printers"),
    "for numbers": (
        "1",
        "_ = plain_ = ip.display_formatter.formatters['text/plain'].for_type(int, lambda i, p, cycle: p.text(f'<{i}>'))",
        "ip.display_formatter.format(3)[0]['text/plain']",
    ),
}

HOOKS: dict[str, Way] = {
    "after each cell": (
        IP + "; seen = []",
        "def after(result): seen.append(1)\nip.events.register('post_run_cell', after)",
        "'after' in globals() and ip.events.callbacks['post_run_cell'].count(after)",
    ),
    "before each cell, a method": (
        "class W:\n    def go(self): pass",
        "w = W(); ip.events.register('pre_execute', w.go)",
        "any(getattr(f, '__self__', 0) is globals().get('w') for f in ip.events.callbacks['pre_execute'])",
    ),
    "one that is gone": (
        "1",
        "ip.events.unregister('pre_execute', w.go)",
        "any(getattr(f, '__self__', 0) is w for f in ip.events.callbacks['pre_execute'])",
    ),
    "a transformer of text": (
        "1",
        "def change(text): return [line.replace('ROOT', '7') for line in text]\nip.input_transformers_post.append(change)",
        "ip.transform_cell('ROOT').strip()",
    ),
    "another one, at the beginning": (
        "1",
        "ip.input_transformers_cleanup.insert(0, lambda text: [line.replace('TREE', '8') for line in text])",
        "ip.transform_cell('TREE').strip()",
    ),
    "a transformer of syntax trees": (
        "import ast",
        "class T(ast.NodeTransformer): pass\nt = T(); ip.ast_transformers.append(t)",
        "'t' in globals() and ip.ast_transformers == [t]",
    ),
}

FIGURES: dict[str, Way] = {
    "a figure is drawn when it is asked for": (
        "import matplotlib as mpl\nimport matplotlib.pyplot as plt\nimport matplotlib_inline.backend_inline as inline\n"
        + IP
        + "\n%matplotlib inline",
        "_ = plt.ioff()",
        "mpl.rcParams['interactive'], plt.isinteractive()",
    ),
    "formats": (
        "F = plt.Figure; formats = ip.display_formatter.formatters",
        "inline.set_matplotlib_formats('svg')",
        "sorted(m for m, f in formats.items() if F in f.type_printers)",
    ),
    "they stay open": (
        "1",
        "%config InlineBackend.close_figures = False",
        "inline.InlineBackend.instance().close_figures",
    ),
}


def test_magics(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, MAGICS)


def test_settings(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, SETTINGS)


def test_formatters(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, FORMATTERS)


def test_hooks(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, HOOKS)


def test_figures_in_the_notebook(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, FIGURES)


def test_what_is_registered_is_the_very_same_object(kernel: Kernel) -> None:
    kernel.ok(IP)
    kernel.ok("%load_ext autoreload")
    kernel.ok("ip.events.register('post_run_cell', lambda result: None)")
    which = "id(ip.magics_manager.magics['line']['autoreload'].__self__), id(ip.events.callbacks['post_run_cell'][-1])"
    before = kernel.value(which)
    for step in ("undo", "undo", "redo", "redo", "undo", "undo", "redo", "redo"):
        kernel.done(step)
    assert kernel.value(which) == before


def test_formats_that_are_set_before_there_are_figures(start: Start, tmp_path: Path) -> None:
    """They are of whatever is plotted later: after an undo of that, too, and in another kernel; not before them."""
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    plot = "import matplotlib.pyplot as plt\n_ = plt.plot([1])"

    def plotted(kernel: Kernel) -> set[str]:
        shown = kernel.ok(plot).outputs
        kernel.done("undo")
        return {mime for each in shown for mime in each.get("data", {}) if mime.startswith("image/")}

    with start(environment=notebook) as kernel:
        kernel.ok("x = 1")
        kernel.ok("%config InlineBackend.figure_formats = ['svg']")
        assert [plotted(kernel) for _ in range(2)] == [{"image/svg+xml"}] * 2
        kernel.done("undo")
        assert plotted(kernel) == {"image/png"}
        kernel.done("checkout", target="In[2]")
        assert plotted(kernel) == {"image/svg+xml"}
        kernel.done("log")  # what was taken is written
    kernel = start(environment=notebook)
    kernel.done("resume")
    assert plotted(kernel) == {"image/svg+xml"}


def test_an_extension_can_be_loaded_again_after_an_undo(kernel: Kernel) -> None:
    kernel.ok(IP)
    kernel.ok("%load_ext autoreload")
    loaded = kernel.value("len(ip.events.callbacks['post_execute'])")
    kernel.done("undo")
    assert not kernel.value("'autoreload' in ip.magics_manager.magics['line']")
    kernel.ok("%load_ext autoreload\n%autoreload 2")
    assert kernel.value(
        "ip.magics_manager.magics['line']['autoreload'].__self__._reloader.enabled, len(ip.events.callbacks['post_execute'])"
    ) == (True, loaded)


def test_what_the_kernel_has_registered_stays(kernel: Kernel) -> None:
    """Before the first cell, too: `%kishu` is there, and figures are shown in the notebook for good."""
    kernel.ok("import matplotlib.pyplot as plt; f = plt.figure()")
    kernel.ok(IP)
    kernel.done("undo", steps=2)
    kernel.ok("ip = get_ipython()")
    assert kernel.value("'kishu' in ip.magics_manager.magics['line']")
    flush = (
        "[getattr(f, '__name__', '') for f in get_ipython().events.callbacks['post_execute']].count('flush_figures')"
    )
    assert kernel.value(flush) == 1
    assert kernel.value("__import__('matplotlib').rcParams['interactive']") is True
    ran = kernel.ok("import matplotlib.pyplot as plt\n_ = plt.plot([1])")
    assert any("image/png" in each.get("data", {}) for each in ran.outputs)


def test_an_extension_that_is_not_found_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def load_ipython_extension(shell): shell.user_ns_hidden['mine'] = 1")
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("%load_ext mine")
        kernel.done("log")  # what was taken is written
    (tmp_path / "mine.py").unlink()
    told = start(environment=notebook).done("resume")["plan"]["lost"]
    [lost] = [each for each in told if not each["names"][0].startswith("module ")]  # it is a module of one's own, too
    assert lost["names"] == ["extensions of the shell"]
    assert lost["reason"] == "the extension mine is not to be found"


def test_an_extension_that_fails_is_told_and_tried_again(start: Start, tmp_path: Path) -> None:
    extension = "def load_ipython_extension(shell): shell.register_magic_function(lambda line: 'mine', 'line', 'mine')"
    (tmp_path / "mine.py").write_text(extension)
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("x = 1")
        kernel.ok("%load_ext mine")
        loaded = kernel.done("log")["head"]  # what was taken is written
    (tmp_path / "mine.py").write_text("def load_ipython_extension(shell): raise OSError('no licence')")
    again = start(environment=notebook)
    again.done("resume")
    told = again.ok("x").text
    assert "Of the extensions of the shell Kishu could not set mine (OSError: no licence)." in told, told
    (tmp_path / "mine.py").write_text(extension)
    again.ok("import importlib, mine; _ = importlib.reload(mine)")
    again.done("checkout", target=loaded)
    assert again.value("get_ipython().run_line_magic('mine', '')") == "mine"


def test_modules_to_be_reloaded_do_not_change_what_was_recorded(start: Start, tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("")
    (tmp_path / "second.py").write_text("")
    kernel = start(environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")})
    reloaded = "[*get_ipython().magics_manager.magics['line']['autoreload'].__self__._reloader.modules]"
    kernel.ok("%load_ext autoreload")
    kernel.ok("%aimport first")
    first = kernel.done("log")["head"]
    kernel.done("undo")
    kernel.ok("%aimport second")
    for step, expected in (("undo", []), ("redo", ["second"]), ("undo", [])):
        kernel.done(step)
        assert kernel.value(reloaded) == expected, step
    kernel.done("checkout", target=first)
    kernel.ok("%aimport second")
    kernel.done("undo")
    assert kernel.value(reloaded) == ["first"]


def test_a_list_of_the_shells_that_changes_in_place(kernel: Kernel) -> None:
    kernel.ok("shown = get_ipython().display_formatter")
    kernel.ok("shown.active_types.append('text/x-mine')")
    for step, expected in (("undo", False), ("redo", True), ("undo", False)):
        kernel.done(step)
        assert kernel.value("'text/x-mine' in get_ipython().display_formatter.active_types") is expected, step


def test_what_hooks_are_equal_to_is_not_asked(kernel: Kernel) -> None:
    kernel.ok(
        "asked = []\nclass Each:\n    def __call__(self, lines): return lines\n    def __eq__(self, other): asked.append(1); return self is other\n"
        "    __hash__ = object.__hash__\neach = Each(); get_ipython().input_transformers_cleanup.append(each)"
    )
    kernel.ok("x = 1")
    kernel.done("undo", steps=2)
    kernel.done("redo", steps=2)
    assert kernel.value("asked, get_ipython().input_transformers_cleanup[-1] is each") == ([], True)


def test_nothing_is_set_behind_a_look_that_spares_a_reading(kernel: Kernel) -> None:
    """What the shell was configured with when it began has sections, too: a look goes into these."""
    kernel.ok(
        "from kishu_kernel.ambient.provider import providers; from kishu_kernel.process.native import WALKER, watch\n"
        "settings = providers()['settings of the shell']; look = watch(list(settings.places())); ip = get_ipython()"
    )
    kernel.ok("held = [look is None or look.holds()]; section = next(iter(ip.config))")
    kernel.ok(
        "ip.config[section]['a'] = 1; held.append(look is not None and look.holds()); del ip.config[section]['a']"
    )
    kernel.ok(
        "ip.config.Mine.b = 2; held.append(look is not None and look.holds()); seen = look is None and WALKER is not None"
    )
    assert kernel.value("held, seen") == ([True, False, False], False)
    kernel.done("undo")
    assert kernel.value("'Mine' in ip.config and 'b' in ip.config.Mine") is False
