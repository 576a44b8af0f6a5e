"""What code may touch: names, inputs and dynamic code, cell by cell."""

from __future__ import annotations

import ast
import builtins
import dis
import gc
import importlib
import sys
import threading
import types
import warnings
import weakref
from types import CodeType
from typing import Any
from unittest.mock import patch

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from kishu_kernel.detect.access import cell_access, code_access, is_only_magic
from kishu_kernel.detect.access_trackers import NamespaceTracker, PatchedNamespace
from kishu_kernel.detect.bytecode import _instructions
from kishu_kernel.model import Access

# Names that are not the user's: builtins, and what the compiler and the transformer add.
OURS = {*dir(builtins), "get_ipython", "__annotations__", "__conditional_annotations__"}
OURS |= {"__annotate__", "__annotate_func__", "__static_attributes__", "__module__", "__qualname__"}


def transform(cell: str) -> str:
    return str(TransformerManager().transform_cell(cell))  # type: ignore[no-untyped-call]


def access(cell: str) -> Access:
    return cell_access(transform(cell))


def user(names: frozenset[str]) -> set[str]:
    return {name for name in names if name not in OURS}


# cell, names, inputs (of the names)
CELLS = [
    ("", "", ""),
    ("# nothing", "", ""),
    ("x = 1", "x", ""),
    ("x", "x", "x"),
    ("x = y", "x y", "y"),
    ("x = 'y x'", "x y", "y x"),
    ("x = y\ndef f(a=z): global w; w = a", "x y z w f", "y z w"),
    ("x = x + 1", "x", "x"),
    ("x += 1", "x", "x"),
    ("x = 1\nx += 1", "x", ""),
    ("x: int = 1\nx", "x", ""),
    ("x: T = y", "x T y", "T y"),
    ("x: int\nx", "x", "x"),
    ("x, (y, *z) = w\nx, y, z", "x y z w", "w"),
    ("x = y = z\nx + y", "x y z", "z"),
    ("x, y[x] = z", "x y z", "y z"),
    ("y[x], x = z", "x y z", "x y z"),
    ("x.a = 1", "x", "x"),
    ("x[0] = 1", "x", "x"),
    ("x[k] += f(v)", "x k f v", "x k f v"),
    ("del x", "x", "x"),
    ("x = 1\ndel x\nx", "x", ""),
    ("del x\nx = 1", "x", "x"),
    ("del x.a, y[0]", "x y", "x y"),
    ("df.drop(columns='a', inplace=True)", "df a", "df a"),
    # expressions, in the order of evaluation
    ("(n := f()) + n", "n f", "f"),
    ("n + (n := f())", "n f", "n f"),
    ("if (m := f()):\n    m", "m f", "f"),
    ("a and (n := 1)\nn", "a n", "a n"),
    ("a < (n := 1) < (m := 2)\nn, m", "a m n", "a m"),
    ("(n := 1) if a else (n := 2)\nn", "a n", "a"),
    ("(n := 1) if a else 2\nn", "a n", "a n"),
    ("{'k': v, (v := 1): 2}", "k v", "k v"),
    ("a[(i := 0)] += i", "a i", "a"),
    ("a[i] += (i := 0)", "a i", "a i"),
    ("f(x, *a, k=y, **kw)", "f x a k y kw", "f x a k y kw"),  # k: a string in the code
    ("f'{x:{w}} and {y!r}'", "x w y and", "x w y and"),
    ("assert a, (b := 1)\nb", "a b", "a b"),
    # nested code
    ("f = lambda a: a + b", "f b", "b"),
    ("b = 1\nf = lambda a: a + b", "f b", ""),
    ("f = lambda a=c: a", "f c", "c"),
    ("[x for x in xs]", "xs", "xs"),
    ("x = 1\n[x for x in x]", "x", ""),
    ("[x for x in x]", "x", "x"),
    ("[y for x in xs if p(x) for y in x]", "xs p", "xs p"),
    ("{k: v for k, v in d.items()}\nk = 1", "d k", "d"),
    ("sum(g(i) for i in xs)", "g xs", "g xs"),
    ("[last := x for x in xs]\nlast", "last xs", "last xs"),
    ("def f(a, b=d, *c):\n    v = a\n    return v + g", "f d g", "d g"),
    ("def f():\n    return g\ng = 1\nf()", "f g", "g"),
    ("g = 1\ndef f():\n    return g\nf()", "f g", ""),
    ("def f():\n    return f()", "f", "f"),
    ("def f(df):\n    df = df.x\n    return df\ndf = f(y)", "f df y", "y"),
    ("def f():\n    global x\n    x = 1\nf()\nx", "f x", "x"),
    ("def f():\n    global x\n    del x", "f x", "x"),
    ("def f():\n    def g():\n        return h\n    return g", "f h", "h"),
    ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y", "f y", "y"),
    ("@deco(a)\ndef f(): pass", "f deco a", "deco a"),
    ("@deco\nclass A(B, metaclass=M): pass", "A B M deco", "B M deco"),
    ("class A:\n    x = 1\n    y = z\n    def m(self):\n        return A, w", "A z w", "A z w"),
    ("class A:\n    x = 1\nx = 2", "A x", ""),
    ("class A:\n    '''about df'''\n    def m(self):\n        '''about df'''", "A", ""),
    ("class A:\n    def m(self):\n        self.df = self.ser = 1\n        super().m()", "A", ""),
    ("class A:\n    def f(self): ...\n    class B:\n        q = r", "A r", "r"),
    ("async def f():\n    async with a as b:\n        [await c async for c in d]", "f a d", "a d"),
    ("def f():\n    yield x", "f x", "x"),
    # control flow: doubt means input
    ("if c:\n    x = 1\nx", "c x", "c x"),
    ("if c:\n    x = 1\nelse:\n    x = 2\nx", "c x", "c"),
    ("if c:\n    x = 1\n    x", "c x", "c"),
    ("for i in xs:\n    i\n    y = i", "i xs y", "xs"),
    ("for i in xs:\n    pass\ni", "i xs", "i xs"),
    ("for i in xs:\n    y = f(y)", "i xs y f", "xs y f"),
    ("for i in xs:\n    pass\nelse:\n    y = 1\ny", "i xs y", "xs y"),
    ("while c:\n    x = 1\nx", "c x", "c x"),
    ("while (c := f()):\n    c\nc", "c f", "f"),
    ("with open(p) as fh:\n    t = fh.read()", "p fh t", "p"),
    ("with cm:\n    t = 1\nt", "cm t", "cm t"),
    ("with a as x, b(x) as y:\n    x, y", "a b x y", "a b"),
    ("try:\n    x = f()\nexcept E as e:\n    e\nx", "x f E e", "x f E"),
    ("try:\n    x = f()\nexcept E:\n    x = 1\nx", "x f E", "f E"),
    ("try:\n    x = f()\nexcept E:\n    x", "x f E", "x f E"),
    ("try:\n    x = f()\nfinally:\n    x", "x f", "x f"),
    ("try:\n    x = f()\nfinally:\n    y = 1\nx, y", "x y f", "f"),
    ("try:\n    pass\nexcept E:\n    x = 1\nelse:\n    x = 2\nx", "x E", "E"),
    ("match v:\n    case [x, *r]:\n        x, r", "v x r", "v"),
    ("match v:\n    case {'k': y, **z}:\n        y, z", "v k y z", "v k"),
    ("match v:\n    case P(a=A.b) as c if g(c):\n        pass\nc", "v P A c g a", "v P A c g a"),
    ("x = 1\nmatch v:\n    case x:\n        pass\nx", "x v", "v"),
    # imports bind
    ("import a.b, c as d\na, d", "a d", ""),
    ("from a import b, c as d\nb(d)", "b d", ""),
    ("import numpy as np\nx = np.zeros(3)", "np x", ""),
    # await at the top level
    ("x = await f()", "x f", "f"),
    ("async for i in xs:\n    i", "i xs", "xs"),
    ("async with a as b:\n    b", "a b", "a"),
    ("[await g(x) async for x in xs]", "g xs", "g xs"),
    # strings
    ("df.query('a > @x')", "df a x", "df a x"),
    ("x = 1\ndf.query('a > @x')", "df a x", "df a"),
    ("q = 'select * from frame'", "q select from frame", "select from frame"),
    ("f(cols=['a', 'b'], names=('c', 'd'), s={'e'})", "f a b c d e", "f a b c d e"),
    ("x in {'a', 'b'}", "x a b", "x a b"),
    ("def f():\n    return 'y ~ z'", "f y z", "y z"),
    ("g = lambda: 'y ~ z'", "g y z", "y z"),
    ("def f():\n    'about df'\n    return 1", "f", ""),
    ("f(data=1, ser=2)", "f", "f"),
    ("o.f(data=1)", "o", "o"),
    ("b'x'", "", ""),
    # not dynamic
    ("model.eval()", "model", "model"),
    ("df.eval('a + b')", "df a b", "df a b"),
    ("re.compile('x')", "re x", "re x"),
    ("'exec eval globals'", "exec eval globals", "exec eval globals"),
    ("net.modules()", "net", "net"),
    ("net.modules(x)", "net x", "net x"),
    ("stack.push(1)", "stack", "stack"),
    ("if __name__ == '__main__':\n    f()", "__name__ __main__ f", "__name__ __main__ f"),
    ("ip = get_ipython()", "ip", ""),
    ("import sys, builtins\nbuiltins.len(sys.path)", "sys builtins", ""),
    # magics that touch what they name
    ("%who", "", ""),
    ("%matplotlib inline", "inline", "inline"),
    ("%store x", "x", "x"),
    ("%xdel x", "x", "x"),
    ("%kishu undo", "undo", "undo"),
    ("%%kishu log\nx", "log x", "log x"),
    ("x?", "x", "x"),
    ("x.y??", "x y", "x y"),
    ("!ls {x} $y", "ls x y", "ls x y"),
    ("files = !ls {x}", "files ls x", "ls x"),
    ("x = %env HOME", "x HOME", "HOME"),
    ("%%bash\necho $df", "", ""),
    ("%%bash --out x\necho $df", "out x", "out x"),
    ("%%writefile a.py\nexec(df)", "a py", "a py"),
    ("%%html\n<b>df</b>", "", ""),
    ("%%!\nls {x}", "ls x", "ls x"),
    # magics that run code
    ("%time y = f(x)", "y f x", "f x"),
    ("%time y = f(x)\ny", "y f x", "y f x"),
    ("%%time\nx = 1\nx + y", "x y", "y"),
    ("%%time\n%cd sub\nx = !ls $d\nz?\ny", "sub x ls d z y", "sub ls d z y"),
    ("%%time\n%%capture out\nx = y", "out x y", "out y"),
    ("%%time\nreturn x", "", ""),
    ("%timeit -n 10 -r3 f(x)", "f x n r3", "f x n r3"),
    ("t = %timeit -o -q f(x)", "t f x o q", "f x o q"),
    ("%%timeit s = g()\ns + y", "s g y", "g y"),
    ("%%timeit -n 10 s = g()\ns + y", "s g y n", "g y n"),
    ("%%timeit\nx + y", "x y", "x y"),
    ("%prun -s cumulative -l 5 f(x)", "f x s cumulative l", "f x s cumulative l"),
    ("%%prun -q\nx = 1\nf(x)", "q x f", "q f"),
    ("%%capture out\nx = 1\nprint(x, y)", "out x y", "out y"),
    ("%time model.eval()", "model", "model"),
    ("if c:\n    %time x = f(y)", "c x f y", "c f y"),
    ("def g():\n    %time x = f(y)", "g x f y", "x f y"),
    # what never runs touches nothing; what runs before it does
    ("x = (", "", ""),
    ("x = 1\nreturn y\nz", "x", ""),
    ("x = y\nfrom __future__ import annotations\nw = 1", "x y w annotations", "y"),
    ("break", "", ""),
    ("x = '\0'", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "names", "inputs"), CELLS)
def test_cell(cell: str, names: str, inputs: str) -> None:
    found = access(cell)
    assert user(found.names) == {n for n in names.split() if n not in OURS}
    assert user(found.inputs) == {n for n in inputs.split() if n not in OURS}
    assert found.inputs <= found.names
    assert not found.dynamic


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* is new in 3.11")
def test_except_star() -> None:
    found = access("try:\n    x = f()\nexcept* E as e:\n    e\nx")
    assert user(found.inputs) == {"f", "E", "x"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in 3.12")
@pytest.mark.parametrize(
    ("cell", "names", "inputs"),
    [
        ("type A[T] = list[T] | B", "A B", "B"),
        ("def f[T: B](x: T) -> C: return D", "f B C D", "B C D"),
        ("class A[T](B):\n    x: T = y", "A B y", "B y"),
    ],
)
def test_type_parameters(cell: str, names: str, inputs: str) -> None:
    found = access(cell)
    assert set(names.split()) <= found.names
    assert set(inputs.split()) <= found.inputs


DYNAMIC = [
    "exec('x = 1')",
    "eval(t)",
    "globals()['x']",
    "g = globals",
    "locals()",
    "vars()",
    "compile(t, 'f', 'exec')",
    "breakpoint()",
    "def f():\n    return globals()",
    "class A:\n    x = eval('y')",
    "[eval(t) for t in ts]",
    "f = lambda: exec(t)",
    "__import__('__main__').x",
    "importlib.import_module('__main__')",
    "import __main__",
    "import __main__ as m",
    "from __main__ import x",
    "from m import *",
    "sys.modules['__main__']",
    "import sys as s\ns.modules.get('__main__')",
    "from sys import modules",
    "getattr(sys, 'modules')",
    "builtins.exec(t)",
    "from builtins import exec as run",
    "__builtins__.eval(t)",
    "get_ipython().user_ns['x']",
    "ip.user_ns",
    "ip.user_global_ns",
    "ip.ex('x = 1')",
    "ip.ev('x')",
    "ip.run_cell(c)",
    "ip.run_code(c)",
    "get_ipython().push({'x': 1})",
    "get_ipython().run_line_magic(name, '')",
    "get_ipython().run_line_magic('run', path)",
    "ip.run_cell_magic('time', '', body)",
    "get_ipython().magic('run x.py')",
    "getattr(ip, 'user_ns')",
    "sys._getframe().f_back",
    "inspect.currentframe()",
    "from inspect import currentframe as c",
    "inspect.stack()[1].frame.f_globals",
    "f.__globals__['x']",
    "gc.get_objects()",
    "gc.get_referrers(x)",
    "pdb.set_trace()",
    "dill.load_session('f')",
    "%run a.py",
    "%reset -f",
    "%reset_selective x",
    "%store -r",
    "%store -r x",
    "%load_ext autoreload",
    "%reload_ext x",
    "%autoreload 2",
    "%macro m 1-3",
    "%pylab",
    "%debug",
    "%edit x",
    "%rerun",
    "%nobody_knows x",
    "%%nobody_knows\nx",
    "%%sql\nselect 1",
    "x = %nobody_knows",
    "%time exec(t)",
    "%time %run a.py",
    "%%time\n%run a.py",
    "%%time\nglobals()",
    "%%time\n%%capture\n%reset -f",
    "%%time\n%time eval(t)",
    "%timeit -n 1 exec(t)",
    "%%timeit g = globals()\ng",
    "%prun -s time eval(t)",
    "%%prun\nvars()",
    "%%capture\n%run a.py",
    "%%time\neval(t) eval(t)",
    "%%time\nx y\n%run a.py",
    "def f():\n    %run a.py",
    "!echo {eval(t)}",
    "%cd {globals()['d']}",
]


@pytest.mark.parametrize("cell", DYNAMIC)
def test_dynamic(cell: str) -> None:
    assert access(cell).dynamic


def test_defaults_and_annotations_are_read() -> None:
    found = access("def f(a: t, *, k=e) -> r: ...")
    assert {"f", "t", "e", "r"} <= found.names
    assert {"t", "e", "r"} <= found.inputs
    assert "f" not in found.inputs


STDLIB = ["argparse", "calendar", "configparser", "csv", "enum", "fractions", "heapq", "random"]
STDLIB += ["statistics", "string", "tarfile", "textwrap", "tokenize", "typing", "uuid"]


@pytest.mark.parametrize("name", STDLIB)
def test_real_code_touches_no_more_than_was_foretold(name: str) -> None:
    """Run in the namespace that records what is really got, set and deleted."""
    file = importlib.import_module(name).__file__
    assert file is not None
    with open(file, encoding="utf-8") as opened:
        source = opened.read()
    module = types.ModuleType("kishu_test_module")
    namespace = PatchedNamespace(module.__dict__)
    end = NamespaceTracker(namespace).watch(source)
    with patch.dict(sys.modules, {module.__name__: module}):
        exec(compile(source, file, "exec", dont_inherit=True), namespace)
    seen, foretold = end(), cell_access(source)
    assert len(seen.names) > 10
    assert foretold.dynamic or seen.names - {"__builtins__"} <= foretold.names
    assert foretold.dynamic or seen.inputs - {"__builtins__"} <= foretold.inputs


def test_names_beside_dynamic_code_are_listed() -> None:
    found = access("x = 1\nexec(t)\n%nobody_knows y")
    assert {"x", "t", "y"} <= found.names
    assert "x" not in found.inputs


def test_unparsable_magic_body_gives_its_words() -> None:
    found = access("%%time\nx y\nz")
    assert user(found.names) == user(found.inputs) == {"x", "y", "z"}


def function(source: str, name: str = "f") -> CodeType:
    namespace: dict[str, Any] = {}
    exec(transform(source), namespace)
    code = namespace[name].__code__
    assert isinstance(code, CodeType)
    return code


@pytest.mark.parametrize(
    ("source", "names", "dynamic"),
    [
        ("def f(a):\n    b = a\n    return b", "", False),
        ("def f():\n    return g(h)", "g h", False),
        ("def f():\n    global x\n    x = 1", "x", False),
        ("def f():\n    def g():\n        return h\n    return [i + j for i in k]", "h j k", False),
        ("def f():\n    class A:\n        x = y\n    return A", "y", False),
        ("def f(df):\n    '''about ser'''\n    return df.query('a > @x')", "a x", False),
        ("def f():\n    return 'y ~ z'", "y z", False),
        ("def f(m):\n    m.eval()\n    return m.modules()", "", False),
        ("def f():\n    %time g(x)", "g x", False),
        ("def f():\n    return eval('x')", "x", True),
        ("def f():\n    def g():\n        globals()\n    return g", "", True),
        ("def f():\n    %run a.py", "a py", True),
    ],
)
def test_code_access(source: str, names: str, dynamic: bool) -> None:
    found = code_access(function(source))
    # A class body reads names of its own that only look like globals.
    assert user(found.names) - {"__name__"} == set(names.split())
    assert found.inputs == found.names
    assert found.dynamic == dynamic


def test_code_access_is_remembered_as_long_as_the_code_lives() -> None:
    code = function("def f():\n    return x")
    assert code_access(code) is code_access(code)
    witness = weakref.ref(code)
    del code
    gc.collect()
    assert witness() is None


FREES = {
    "x = None": ("x", False),
    "del x": ("x", False),
    "def f():\n    global x\n    x = 1": ("f x", False),
    "print(x)": ("", False),
    "x[0] = 1": ("", True),
    "del x[0]": ("", True),
    "x.a = 1": ("", True),
    "del x.a": ("", True),
    "x[1:2] = []": ("", True),
    "x.clear()": ("", True),
    "getattr(x, 'pop')()": ("", True),
    "heapq.heappop(x)": ("", True),
    "get_ipython().run_line_magic('xdel', 'x')": ("x", False),
    "get_ipython().run_line_magic('time', 'x = 1')": ("x", False),
    "for x in y: pass": ("x", False),
    "import x": ("x", False),
    "f(z := 1)": ("z", False),
}


@pytest.mark.parametrize(("cell", "expected"), FREES.items(), ids=FREES)
def test_what_code_may_let_go_of(cell: str, expected: tuple[str, bool]) -> None:
    found = cell_access(cell)
    assert (" ".join(sorted(found.rebinds)), found.removes_parts) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%kishu undo", True),
        ("%kishu log\n%kishu status", True),
        ("%kishu log\n\n# and so on", True),
        ("%%kishu log\nx", True),
        ("", False),
        ("# %kishu", False),
        ("%kishu log\nx", False),
        ("x = %kishu log", False),
        ("%time f()", False),
        ("%kishu log\n%time f()", False),
        ("%kishu?", True),
        ("df?", False),
        ("get_ipython().run_line_magic('kishu', x)", False),
        ("run_line_magic('kishu', 'log')", False),
        ("(", False),
    ],
)
def test_is_only_magic(cell: str, expected: bool) -> None:
    assert is_only_magic(transform(cell), "kishu") is expected


def test_our_compilations_warn_nobody(recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("always")
    show = warnings.showwarning
    cell_access("x = '\\d'\ny = x is 'a'\nassert (x, 'always true')\n")
    assert not recwarn.list
    assert warnings.showwarning is show


def test_the_future_of_our_modules_is_not_the_cells() -> None:
    # `from __future__ import annotations` here would hide what an annotation reads.
    assert "T" in access("def f(x: T): ...").inputs


def test_deep_nesting_is_doubt_not_an_error() -> None:
    for cell in ("(" * 150 + "x" + ")" * 150, "+".join(["x"] * 3000), "f" + "(x)" * 3000):
        found = cell_access(cell)
        try:
            compile(cell, "f", "exec")
        except (RecursionError, MemoryError, SyntaxError):
            continue  # IPython cannot run it either
        assert found.dynamic or "x" in found.inputs


def test_cells_can_be_judged_in_several_threads() -> None:
    show = warnings.showwarning
    found: list[Access] = []
    threads = [threading.Thread(target=lambda: found.extend(access("x = y") for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {access("x = y")}
    assert warnings.showwarning is show


def all_codes(code: CodeType) -> list[CodeType]:
    nested = [const for const in code.co_consts if isinstance(const, CodeType)]
    return [code, *(inner for const in nested for inner in all_codes(const))]


def test_instructions_are_read_as_dis_reads_them() -> None:
    """Over modules of the standard library that have everything, EXTENDED_ARG included."""
    interesting = ("NAME", "GLOBAL", "LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT")
    modules = [ast, dis, threading, warnings]
    for module in modules:
        assert module.__file__ is not None
        with open(module.__file__, encoding="utf-8") as file:
            top = compile(file.read(), module.__file__, "exec")
        for code in all_codes(top):
            ours = [
                (op, code.co_names[arg])
                for op, arg in _instructions(code)
                if any(part in op for part in interesting) and op != "KW_NAMES"
                if op not in ("IMPORT_STAR",)
            ]
            theirs = [
                (instruction.opname, instruction.argval)
                for instruction in dis.get_instructions(code)
                if any(part in instruction.opname for part in interesting)
                if instruction.opname not in ("KW_NAMES", "IMPORT_STAR")
            ]
            assert [name for _, name in ours] == [name for _, name in theirs]
