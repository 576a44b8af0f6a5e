"""Modules beside the notebook, on a real kernel: their data are part of the state, and travel in place.

A scenario is that of `test_exactness`, with the modules that it needs: it is undone twice, and brought back in a kernel
that was started anew. Modules are written once, before the kernel begins.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .driver import Kernel
from .test_exactness import begun, holds, make

Scenario = tuple[str, str, str]
"""What makes it, what changes it, what checks it. Cells that make are parted by a line of `---`."""

MODULES = {
    "helper": (
        "import threading, sqlite3, logging, functools\nLEVEL = 3\ncfg = {'k': 1, 'deep': {'xs': [1]}}\nalias = cfg['deep']\n"
        "_cache = {}\nlock = threading.Lock()\nconn = sqlite3.connect(':memory:', check_same_thread=False)\n"
        "log = logging.getLogger('helper')\ncounter = 0\nMISSING = object()\n"
        "def go(): return cfg['k'], LEVEL\ndef put(v): cfg['k'] = v\n"
        "def count():\n    global counter\n    counter += 1\n    return counter\n"
        "def remember(n): return _cache.setdefault(n, [n])\n"
        "@functools.lru_cache\ndef square(n): return [n * n]\n"
        "def make(): return {'of': cfg}\n"
    ),
    "conf": (
        "class Settings:\n    debug = False\n    paths = ['a']\n    def __init__(self): self.level = 10; self.tags = {'t'}\n"
        "    def verbose(self): return self.level > 20\nsettings = Settings()\nOTHERS = [settings]\n"
        "class Singleton:\n    _instance = None\n    @classmethod\n    def get(cls):\n        if cls._instance is None: cls._instance = cls()\n        return cls._instance\n"
    ),
    "uses_conf": (
        "import conf\nfrom conf import settings\ndef level(): return settings.level, conf.settings.debug\n"
        "def raise_it(): settings.level += 1\n"
    ),
    "pack/__init__": "from .state import registry\nfrom . import tools\nname = 'pack'\n",
    "pack/state": "registry = {}\nHISTORY = []\n",
    "pack/tools": (
        "from .state import registry, HISTORY\nfrom . import state\n"
        "def register(f): registry[f.__name__] = f; HISTORY.append(f.__name__); return f\n"
    ),
    "pack/late": "from .state import HISTORY\nseen = list(HISTORY)\ndef f(): from . import state; state.HISTORY.append('late')\n",
    "lazy": "def load():\n    import lazily_loaded\n    return lazily_loaded\n",
    "lazily_loaded": "table = {'rows': [1, 2]}\n",
    "frames": (
        "import numpy as np\nimport pandas as pd\nDATA = pd.DataFrame({'a': [1., 2.], 'b': [3., 4.]})\n"
        "grid = np.arange(12.)\nwindow = grid[3:6]\n"
    ),
    "plugin_a": "import plugin_core\ndef run(): plugin_core.RESULTS.append('a')\n",
    "plugin_core": "RESULTS = []\nHOOKS = {}\n",
    "holder": (
        "import sqlite3\nclass Db:\n    def __init__(self): self.conn = sqlite3.connect(':memory:'); self.queries = []\n"
        "    def q(self, s): self.queries.append(s); return self.conn.execute(s).fetchall()\ndb = Db()\nlimits = {'n': 1}\n"
    ),
    "enums": "import enum, dataclasses\nclass Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\ncurrent = Colour.RED\n"
    "@dataclasses.dataclass\nclass P:\n    x: int = 0\n    xs: list = dataclasses.field(default_factory=list)\np = P()\n",
    "nested": (
        "import enum, functools\nclass Config:\n    class Db:\n        hosts = []\n        port = 1\n"
        "        def ask(self, log=[]): log.append(1); return log\n    class Other(Db):\n        more = []\n"
        "class Mode(enum.Enum):\n    A = 1\n    B = 2\n    def seen(self, log=[]): log.append(1); return len(log)\nMode.registry = []\n"
        "class Limit:\n    def __init__(self): self.last = []\n    def __get__(self, obj, kind=None): return self\n"
        "    def __set__(self, obj, value): self.last.append(value)\n"
        "class Uses:\n    limit = Limit()\n    part = functools.partialmethod(lambda self, log, x: log.append(x) or log, [])\n"
        "    @functools.singledispatchmethod\n    def told(self, x): return 'any'\n    @property\n    def name(self): return 'name'\n"
        "    @staticmethod\n    def make(): return 'made'\n"
        "@functools.singledispatch\ndef area(x): return 'any'\n@area.register\ndef _(x: str): return 'text'\n"
    ),
    "keeps": (
        "import functools, sqlite3\nMISSING = object()\nSTATE = {}\n"
        "def add(x, acc=[]): acc.append(x); return acc\n"
        "def named(x, *, acc=[], n=0): acc.append(x); return acc, n\n"
        "def given(x=MISSING): return 'nothing' if x is MISSING else x\n"
        "def register(name, into=STATE): into[name] = 1\n"
        "def count(): count.calls += 1; count.seen.append(count.calls); return count.calls\ncount.calls = 0; count.seen = []\n"
        "def plain(a=1, b=(2, 'x'), *, c=len): return a, b, c\n"
        "def ask(q, conn=sqlite3.connect(':memory:', check_same_thread=False), log=[]): log.append(q); return conn.execute(q).fetchone()\n"
        "def counted(f):\n    n = 0; given = []\n    @functools.wraps(f)\n    def inner(*args):\n        nonlocal n\n"
        "        n += 1; given.append(args); return n, len(given), f(*args)\n    return inner\n"
        "@counted\ndef double(x, past=[]): past.append(x); return 2 * x, len(past)\n"
        "class Account:\n    def __init__(self, log=[]): self.log = log\n    def pay(self, n, log=[]): log.append(n); return log\n"
        "    @staticmethod\n    def all(n, log=[]): log.append(n); return log\n    @classmethod\n    def of(cls, n, log=[]): log.append(n); return log\n"
        "    @property\n    def calls(self, log=[]): log.append(1); return len(log)\n"
        "    @counted\n    def close(self): return 'closed'\n"
    ),
}

DATA: dict[str, Scenario] = {
    "a dictionary of a module's": (
        "from helper import cfg\n---\nimport helper",
        "cfg['k'] = 10",
        "assert cfg is helper.cfg and helper.go()[0] == 1; helper.put(7); assert cfg['k'] == 7",
    ),
    "changed by the module's function": (
        "import helper; from helper import put, cfg",
        "put(10)",
        "assert helper.cfg == {'k': 1, 'deep': {'xs': [1]}} and cfg is helper.cfg and helper.alias is cfg['deep']",
    ),
    "changed by a function of the notebook's": (
        "import helper\ndef f(): helper.cfg['deep']['xs'].append(2)",
        "f()",
        "assert helper.alias['xs'] == [1]; helper.alias['xs'].append(5); assert helper.cfg['deep']['xs'] == [1, 5]",
    ),
    "imported inside a function": (
        "def f(v):\n    from helper import cfg\n    cfg['k'] = v\n    return cfg\nf(1); kept = f(1)",
        "f(10)",
        "import helper; assert helper.cfg['k'] == 1 and kept is helper.cfg",
    ),
    "a variable that leads to it": (
        "import helper; made = helper.make()",
        "made['of']['k'] = 5",
        "assert made['of'] is helper.cfg and helper.go()[0] == 1",
    ),
    "a name that joins later": (
        "import helper\n---\nx = 1\n---\nfrom helper import cfg as c",
        "c['k'] = 5",
        "assert c is helper.cfg and c['k'] == 1; helper.put(9); assert c['k'] == 9",
    ),
    "a weak reference that a module holds": (
        "import helper, weakref, numpy; x = numpy.ones(9); helper._cache['x'] = weakref.ref(x)",
        "x[0] = 3",
        "assert helper._cache['x']() is x and x[0] == 1",
    ),
    "a number": ("import helper", "helper.LEVEL = 4", "assert helper.go() == (1, 3) and helper.LEVEL == 3"),
    "a number set before": (
        "import helper; helper.LEVEL = 4",
        "helper.LEVEL = 3",
        "assert helper.go()[1] == 4 == helper.LEVEL",
    ),
    "a number that a function counts": (
        "import helper; helper.count(); helper.count()",
        "helper.count()",
        "assert helper.counter == 2 and helper.count() == 3",
    ),
    "a name added": ("import helper", "helper.new = [1]", "assert not hasattr(helper, 'new')"),
    "a name deleted": ("import helper", "del helper.cfg", "assert helper.go()[0] == 1"),
    "a name that stays deleted": (
        "import helper; del helper.alias",
        "helper.alias = 1",
        "assert not hasattr(helper, 'alias')",
    ),
    "a function replaced": (
        "import helper; go = helper.go",
        "helper.go = lambda: 5",
        "assert helper.go is go and helper.go() == (1, 3)",
    ),
    "a function that stays replaced": (
        "import helper\ndef mine(): return helper.cfg\nhelper.go = mine",
        "del helper.go",
        "assert helper.go is mine and helper.go() is helper.cfg",
    ),
    "a patch": (
        "import helper; from unittest import mock",
        "mock.patch.object(helper, 'go', lambda: 8).start()",
        "assert helper.go() == (1, 3)",
    ),
    "a function wrapped": (
        "import helper, functools\nold = helper.go\ndef new(): return ('new', *old())\nhelper.go = new",
        "helper.go = old",
        "assert helper.go() == ('new', 1, 3) and old() == (1, 3) and helper.go is new",
    ),
    "a cached function": (
        "import helper; nine = helper.square(3)",
        "nine.append(1)",
        "assert nine == [9] == helper.square(3)",
    ),
    "what holds a connection": (
        "import helper\nclass Repo: pass\nr = Repo(); r.conn = helper.conn; r.xs = [1]",
        "r.xs.append(2); r.conn.execute('select 1')",
        "assert r.conn is helper.conn and r.xs == [1]",
    ),
    "a patch of a dictionary": (
        "import helper; from unittest import mock",
        "mock.patch.dict(helper.cfg, {'k': 5, 'l': 6}).start()",
        "assert helper.cfg == {'k': 1, 'deep': {'xs': [1]}}",
    ),
    "a cache": (
        "import helper; one = helper.remember(1)",
        "helper.remember(2); one.append(9)",
        "assert helper._cache == {1: [1]} and helper._cache[1] is one and helper.remember(1) is one",
    ),
    "a lock and a connection": (
        "import helper; x = [1]",
        "x.append(2); helper.cfg['k'] = 2\nwith helper.lock: pass\nhelper.conn.execute('select 1')",
        "assert x == [1] and helper.cfg['k'] == 1 and helper.lock.acquire(False) and helper.conn.execute('select 1').fetchone() == (1,)",
    ),
    "a sentinel": (
        "import helper; kept = {'k': helper.MISSING}",
        "helper.MISSING = object()",
        "assert kept['k'] is helper.MISSING",
    ),
    "an array and its views": (
        "import frames; part = frames.grid[2:5]",
        "frames.grid[3] = 50",
        "assert frames.grid[3] == 3; frames.grid[3] = 9; assert frames.window[0] == 9 == part[1] and frames.grid[4] == 4",
    ),
    "a frame": (
        "import frames; df = frames.DATA",
        "df['c'] = 1",
        "assert df is frames.DATA and list(df) == ['a', 'b']",
    ),
}

INSTANCES: dict[str, Scenario] = {
    "an instance": (
        "from conf import settings",
        "settings.level = 50",
        "import conf; assert settings is conf.settings and not settings.verbose() and type(settings) is conf.Settings and conf.OTHERS[0] is settings",
    ),
    "an instance that another module uses": (
        "import uses_conf\n---\nfrom conf import settings",
        "uses_conf.raise_it()",
        "assert uses_conf.level() == (10, False) and uses_conf.settings is settings; settings.level = 3; assert uses_conf.level()[0] == 3",
    ),
    "an instance that is replaced": (
        "import conf; old = conf.settings",
        "conf.settings = conf.Settings(); conf.settings.level = 3",
        "assert conf.settings is old and conf.settings.level == 10",
    ),
    "an attribute of a class": (
        "import conf; s = conf.Settings()",
        "conf.Settings.debug = True",
        "assert s.debug is False and conf.settings.debug is False",
    ),
    "an attribute of a class that stays": (
        "import conf; conf.Settings.debug = True; conf.Settings.paths.append('b')",
        "conf.Settings.debug = False; conf.Settings.paths.pop()",
        "assert conf.settings.debug is True and conf.Settings.paths == ['a', 'b']",
    ),
    "a class replaced": (
        "import conf; from conf import Settings; s = Settings()",
        "conf.Settings = dict",
        "assert conf.Settings is Settings and type(s) is Settings and isinstance(conf.settings, Settings)",
    ),
    "a class that stays replaced": (
        "import conf; from conf import Settings, settings\nclass Fake: pass\nconf.Settings = Fake; settings.level = 4",
        "settings.level = 5; conf.Settings = Settings",
        "assert conf.Settings is Fake and type(settings) is Settings and conf.settings is settings and settings.level == 4",
    ),
    "an attribute added to a class": (
        "import conf",
        "conf.Settings.extra = 1; conf.Settings.hello = lambda self: 2",
        "assert not hasattr(conf.settings, 'extra') and not hasattr(conf.Settings, 'hello')",
    ),
    "a method replaced": (
        "import conf",
        "conf.Settings.verbose = lambda self: 'always'",
        "assert conf.settings.verbose() is False",
    ),
    "a singleton": (
        "import conf",
        "conf.Singleton.get().n = 1",
        "assert conf.Singleton._instance is None; assert conf.Singleton.get() is conf.Singleton.get()",
    ),
    "a singleton that is there": (
        "import conf; one = conf.Singleton.get(); one.n = 1",
        "one.n = 2",
        "assert conf.Singleton.get() is one and one.n == 1",
    ),
    "instances of the notebook's": (
        "from conf import Settings; s = Settings(); t = [s]",
        "s.level = 1; s.tags.add('u')",
        "import conf; assert t[0] is s and s.level == 10 and s.tags == {'t'} and type(s) is conf.Settings",
    ),
    "a class of the notebook's in a module": (
        "import plugin_core\nclass H:\n    def __init__(self): self.n = 1\nplugin_core.HOOKS['h'] = h = H()",
        "h.n = 2",
        "assert plugin_core.HOOKS['h'] is h and h.n == 1 and type(h) is H",
    ),
    "members and dataclasses": (
        "import enums; p = enums.p",
        "enums.current = enums.Colour.BLUE; p.xs.append(1)",
        "assert enums.current is enums.Colour.RED and enums.p is p == enums.P()",
    ),
}

PACKAGES: dict[str, Scenario] = {
    "a package": (
        "import pack\n@pack.tools.register\ndef f(): return 1",
        "@pack.tools.register\ndef g(): return 2",
        "import pack.state\nassert list(pack.registry) == ['f'] and pack.registry is pack.state.registry is pack.tools.registry\n"
        "assert pack.registry['f'] is f and pack.state.HISTORY == ['f']",
    ),
    "a module of a package imported later": (
        "import pack; pack.state.HISTORY.append(1)",
        "import pack.late; pack.late.f()",
        "import sys; assert pack.state.HISTORY == [1] and 'pack.late' not in sys.modules and not hasattr(pack, 'late')\n"
        "import pack.late; assert pack.late.seen == [1]",
    ),
    "a module of a package by itself": (
        "from pack.state import HISTORY; HISTORY.append(1)",
        "HISTORY.clear()",
        "import pack; assert pack.tools.HISTORY is HISTORY == [1]",
    ),
    "what a function imports": (
        "import lazy; rows = lazy.load().table['rows']",
        "lazy.load().table['rows'].append(3)",
        "assert rows == [1, 2] and lazy.load().table['rows'] is rows",
    ),
    "what another module changes": (
        "import plugin_a",
        "plugin_a.run()",
        "import plugin_core; assert plugin_core.RESULTS == []; plugin_a.run(); assert plugin_core.RESULTS == ['a']",
    ),
    "the import itself": (
        "x = 1",
        "import helper; helper.cfg['k'] = 5; helper.LEVEL = 8",
        "import sys; assert 'helper' not in sys.modules; import helper; assert helper.go() == (1, 3)",
    ),
    "the import and its names": (
        "import helper; go = helper.go; helper.cfg['k'] = 5",
        "del helper, go",
        "import sys; assert sys.modules['helper'] is helper and helper.go is go and go() == (5, 3)",
    ),
    "imported by its name in a text": (
        "import importlib; name = 'helper'; m = importlib.import_module(name)",
        "m.cfg['k'] = 4",
        "assert m.go()[0] == 1",
    ),
    "loaded again": (
        "import helper, importlib; cfg = helper.cfg; cfg['k'] = 6; helper.LEVEL = 5",
        "importlib.reload(helper)",
        "assert helper.cfg is cfg and helper.go() == (6, 5)",
    ),
    "what was imported before it was loaded again": (
        "import helper, importlib; from helper import go\n---\n_ = importlib.reload(helper)",
        "go = helper.go",
        "assert go is not helper.go and go() == helper.go() == (1, 3)",
    ),
    "what is set after it was loaded again": (
        "import helper, importlib; helper.cfg['k'] = 6; _ = importlib.reload(helper); helper.cfg['k'] = 7",
        "helper.cfg['k'] = 8; helper.LEVEL = 1",
        "assert helper.go() == (7, 3)",
    ),
}

WITHIN: dict[str, Scenario] = {
    "a list of a class within a class": (
        "import nested; hosts = nested.Config.Db.hosts",
        "nested.Config.Db.hosts.append(1); nested.Config.Db.port = 2; nested.Config.Db.new = 3",
        "assert nested.Config.Db.hosts is hosts == [] and nested.Config.Other.port == 1 and not hasattr(nested.Config.Db, 'new')",
    ),
    "a class within a class, as a cell has left it": (
        "from nested import Config; Config.Db.port = 5; Config.Db.hosts.append('a'); Config.Other.more.append(1)",
        "Config.Db.port = 1; Config.Other.hosts.append('b'); Config.Other.more = []",
        "assert Config.Db.port == 5 and Config.Db.hosts == ['a'] and Config.Other.more == [1] and Config.Other.hosts is Config.Db.hosts",
    ),
    "a class within a class replaced": (
        "import nested; db = nested.Config.Db()",
        "nested.Config.Db = dict",
        "assert type(db) is nested.Config.Db and issubclass(nested.Config.Other, nested.Config.Db)",
    ),
    "a method of a class within a class": (
        "import nested; log = nested.Config.Db().ask()",
        "nested.Config.Db().ask()",
        "assert log == [1] and nested.Config.Other().ask() is log",
    ),
    "an attribute of an enumeration": (
        "import nested; nested.Mode.registry.append(1); nested.Mode.A.seen()",
        "nested.Mode.registry.append(2); nested.Mode.B.seen(); nested.Mode.extra = 1",
        "assert nested.Mode.registry == [1] and nested.Mode.A.seen() == 2 and not hasattr(nested.Mode, 'extra') and list(nested.Mode) == [nested.Mode.A, nested.Mode.B]",
    ),
    "a descriptor": (
        "import nested; u = nested.Uses(); u.limit = 1",
        "u.limit = 2",
        "assert nested.Uses.limit.last == [1]",
    ),
    "what a partial method holds": (
        "import nested; u = nested.Uses(); log = u.part(1)",
        "u.part(2)",
        "assert u.part(3) is log == [1, 3]",
    ),
    "a property and a static method replaced": (
        "import nested; u = nested.Uses()",
        "nested.Uses.name = property(lambda self: 'other'); nested.Uses.make = staticmethod(lambda: 'other')",
        "assert u.name == 'name' and u.make() == 'made' == nested.Uses.make()",
    ),
    "a property that stays replaced": (
        "import nested\n---\nnested.Uses.name = property(lambda self: 'other'); del nested.Uses.make",
        "nested.Uses.name = nested.Uses.make = 5",
        "assert nested.Uses().name == 'other' and not hasattr(nested.Uses, 'make')",
    ),
    "a generic function": (
        "import nested\n---\n@nested.area.register\ndef of_int(x: int): return 'int'\nnested.area(1)",
        "nested.area.register(float, lambda x: 'float'); nested.area.register(int, lambda x: 'other'); nested.area(1.5)",
        "assert [nested.area(x) for x in (1, 1.5, 'x', b'')] == ['int', 'any', 'text', 'any']",
    ),
    "a generic method": (
        "import nested; u = nested.Uses(); u.told(1)",
        "vars(nested.Uses)['told'].register(int, lambda self, x: 'int'); u.told(1)",
        "assert u.told(1) == 'any'",
    ),
}

FUNCTIONS: dict[str, Scenario] = {
    "a default": (
        "import keeps; keeps.add(1)",
        "keeps.add(2)",
        "assert keeps.add(3) == [1, 3]",
    ),
    "a default that a variable holds": (
        "import keeps; acc = keeps.add(1)",
        "keeps.add(2)",
        "assert acc == [1] and keeps.add(3) is acc == [1, 3]",
    ),
    "a default that is changed through a variable": (
        "from keeps import add; acc = add(1)",
        "acc.append(2)",
        "assert add(3) == [1, 3] == acc",
    ),
    "a default of a function of which only another name is left": (
        "from keeps import add as a; import keeps\n---\ndel keeps.add; acc = a(1)",
        "a(2)",
        "assert a(3) is acc == [1, 3] and not hasattr(keeps, 'add')",
    ),
    "defaults of named parameters": (
        "import keeps; acc, _n = keeps.named(1)",
        "keeps.named(2); keeps.named.__kwdefaults__['n'] = 5",
        "assert keeps.named(3) == ([1, 3], 0) and keeps.named(4)[0] is acc",
    ),
    "a sentinel that is a default": (
        "import keeps; kept = [keeps.MISSING]",
        "kept.append(keeps.given(keeps.MISSING))",
        "assert keeps.given() == 'nothing' == keeps.given(kept[0]) and kept == [keeps.MISSING]",
    ),
    "a dictionary of the module's that is a default": (
        "import keeps; keeps.register('a')",
        "keeps.register('b'); keeps.STATE['c'] = 1",
        "assert keeps.STATE == {'a': 1}; keeps.register('d'); assert keeps.STATE == {'a': 1, 'd': 1}",
    ),
    "attributes": (
        "import keeps; keeps.count(); seen = keeps.count.seen",
        "keeps.count(); keeps.count.new = 1; del keeps.count.seen",
        "assert keeps.count() == 2 and keeps.count.seen is seen == [1, 2] and not hasattr(keeps.count, 'new')",
    ),
    "an attribute that stays deleted": (
        "import keeps\n---\ndel keeps.count.seen; keeps.plain.extra = [1]",
        "keeps.count.seen = 4; keeps.plain.extra.append(2)",
        "assert not hasattr(keeps.count, 'seen') and keeps.plain.extra == [1]",
    ),
    "plain defaults that are set": (
        "import keeps",
        "keeps.plain.__defaults__ = None; keeps.plain.__kwdefaults__ = None",
        "assert keeps.plain() == (1, (2, 'x'), len)",
    ),
    "plain defaults that stay set": (
        "import keeps\n---\nkeeps.plain.__defaults__ = ([5],); keeps.plain.__kwdefaults__['c'] = [6]",
        "keeps.plain.__defaults__ = (7, 8); keeps.plain(0)[1]",
        "assert keeps.plain(0) == (0, [5], [6])\ntry: keeps.plain()\nexcept TypeError: pass\nelse: assert 0",
    ),
    "a connection that is a default": (
        "import keeps; keeps.ask('select 1')",
        "keeps.ask('select 2')",
        "assert keeps.ask('select 3') == (3,) and keeps.ask.__defaults__[1] == ['select 1', 'select 3']",
    ),
    "what a decorator closes over": (
        "import keeps; keeps.double(1)",
        "keeps.double(2); keeps.double(3)",
        "assert keeps.double(5) == (2, 2, (10, 2))",
    ),
    "a method": (
        "import keeps; a = keeps.Account(); log = a.pay(1)",
        "a.pay(2); keeps.Account().log.append(1)",
        "assert a.pay(3) is log == [1, 3] and a.log == [] and keeps.Account().log is a.log",
    ),
    "a static method, a class method, a property": (
        "from keeps import Account; Account.all(1); of = Account.of(1); Account().calls",
        "Account.all(2); Account.of(2); Account().calls",
        "assert Account.all(3) == [1, 3] == Account.of(3) and Account.of(4) is of and Account().calls == 2",
    ),
    "a method with a decorator": (
        "import keeps; a = keeps.Account(); a.close()",
        "a.close()",
        "assert a.close() == (2, 2, 'closed')",
    ),
    "a partial of a function": (
        "import keeps, functools; p = functools.partial(keeps.add, 1); acc = p()",
        "p()",
        "assert acc == [1] and p() is acc == [1, 1] == keeps.add.__defaults__[0]",
    ),
    "the import": (
        "x = 1",
        "import keeps; keeps.add(1); keeps.double(1); keeps.count()",
        "import keeps; assert keeps.add(2) == [2] and keeps.double(1) == (1, 1, (2, 1)) and keeps.count() == 1",
    ),
}

SCENARIOS = {
    f"{group}: {name}": scenario
    for group, scenarios in {
        "data": DATA,
        "instances": INSTANCES,
        "packages": PACKAGES,
        "within": WITHIN,
        "functions": FUNCTIONS,
    }.items()
    for name, scenario in scenarios.items()
}


def written(home: Path) -> Path:
    """The directory, with the modules in it."""
    for name, source in MODULES.items():
        path = home / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return home


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(written(tmp_path_factory.mktemp("modules"))) as kernel:
        begun(kernel)
        yield kernel


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: Kernel, name: str) -> None:
    scenario = _, change, check = SCENARIOS[name]
    made = make(exact, scenario)
    assert holds(exact, check), exact.run(check).reply
    exact.run(change)
    changed = exact.done("status")["head"]
    assert changed != made
    assert not holds(exact, check), "the change does not matter to the check"
    for _ in range(2):
        assert exact.done("undo")["head"] == made
        assert holds(exact, check), exact.run(check).reply
        exact.done("checkout", target=changed)
        assert not holds(exact, check)


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel on the history of all scenarios, and where each stood when it was made."""
    home = written(tmp_path_factory.mktemp("anew"))
    with Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb")}) as kernel:
        begun(kernel)
        made = {name: make(kernel, scenario) for name, scenario in SCENARIOS.items()}
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        yield kernel, made


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_there_in_a_new_kernel(anew: tuple[Kernel, dict[str, str]], name: str) -> None:
    kernel, made = anew
    reply = kernel.done("checkout", target=made[name])
    assert reply["plan"]["lost"] == []
    check = SCENARIOS[name][2]
    assert holds(kernel, check), kernel.run(check).reply


def test_what_was_deleted_is_not_there_where_a_checkout_is_the_first_to_import(tmp_path: Path) -> None:
    """What the module's source makes once more is no part of that state."""
    home = written(tmp_path)
    with Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb")}) as kernel:
        begun(kernel)
        kernel.ok("import helper, conf; del helper.alias, conf.OTHERS, conf.Settings.paths; level = helper.LEVEL")
        made = kernel.done("status")["head"]
        kernel.ok("import uses_conf; conf.OTHERS = [1]")
        kernel.restart(kill=True)
        kernel.done("take", target=made, names=["level"])
        kernel.done("checkout", target=made)
        there = "[hasattr(*each) for each in ((helper, 'alias'), (conf, 'OTHERS'), (conf.Settings, 'paths'), (helper, 'cfg'))]"
        assert kernel.value(there) == [False, False, False, True]


WRITTEN = (
    "class Account:\n    class Log:\n        lines = []\n    def pay(self, n, log=[]): log.append(n); return log\n"
    "def add(x, acc=[]):\n    acc.append(x)\n    return acc\n"
)
EDITED = (
    "class Account:\n    class Log:\n        lines = []\n    def pay(self, n, log=[], by='me'): log.append((n, by)); return log\n"
    "    def close(self): return 'closed'\n"
    "def add(x, more=5, acc=[]):\n    acc.append(x + more)\n    return acc\n"
)


def test_functions_of_an_edited_source_get_back_what_they_kept(tmp_path: Path) -> None:
    """The code is that of the file, as `%autoreload` has brought it; parameters that are new have their defaults."""
    source = tmp_path / "ledger.py"
    source.write_text(WRITTEN)
    with Kernel(tmp_path, environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}) as kernel:
        kernel.ok("%load_ext autoreload\n%autoreload 2\nimport ledger; from ledger import add, Account")
        kernel.ok("acc = add(1); me = Account(); log = me.pay(2); Account.Log.lines.append(7)")
        made = kernel.done("status")["head"]
        kernel.ok("add(3); me.pay(4)")
        source.write_text(EDITED)
        os.utime(source, (time.time() + 5, time.time() + 5))
        kernel.ok("add(5); me.pay(6); Account.Log.lines.append(8)")
        for restarted in (False, True):
            kernel.done("checkout", target=made)
            check = (
                "(add(1) is acc, acc, me.pay(9) is log, log, me.close(), ledger.Account.Log.lines, add is ledger.add)"
            )
            assert kernel.value(check) == (True, [1, 6], True, [2, (9, "me")], "closed", [7], True), restarted
            if not restarted:
                kernel.restart(kill=True)


def changes(kernel: Kernel) -> tuple[list[str], list[str], list[str]]:
    """What the last cell is said to have created, modified and deleted."""
    last = kernel.done("log", limit=1)["checkpoints"][0]
    return last["created"], last["modified"], last["deleted"]


def test_what_is_told(tmp_path: Path) -> None:
    """What comes with a module is not mentioned apart; what a cell does to it later is."""
    with Kernel(written(tmp_path)) as kernel:
        for cell, told in (
            ("import helper", (["helper"], [], [])),
            ("from helper import cfg", (["cfg"], [], [])),
            ("helper.go()", (["_3"], [], [])),
            ("cfg['k'] = 2", ([], ["cfg", "helper.cfg"], [])),
            ("helper.LEVEL = 4", ([], ["helper.LEVEL"], [])),
            ("helper.LEVEL = 3", ([], ["helper.LEVEL"], [])),
            ("helper.new = 1", (["helper.new"], [], [])),
            ("del helper.new, helper.counter", ([], [], ["helper.counter", "helper.new"])),
            ("helper.go = len", ([], ["helper.go"], [])),
            ("x = 1", (["x"], [], [])),
        ):
            kernel.ok(cell)
            assert changes(kernel) == told, cell


def test_what_holds_a_connection_stays_and_is_told(tmp_path: Path) -> None:
    with Kernel(written(tmp_path)) as kernel:
        kernel.ok("import holder; x = [1]")
        kernel.ok("x.append(2); holder.limits['n'] = 5")
        kernel.ok("_ = holder.db.q('select 1')")
        kernel.done("undo", steps=2)
        kernel.ok("assert x == [1] and holder.limits == {'n': 1} and holder.db.q('select 2') == [(2,)]")
        assert any("holder.db" in each for each in kernel.done("status")["warnings"])


def test_a_checkout_that_is_refused_imports_nothing(tmp_path: Path) -> None:
    with Kernel(written(tmp_path), environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}) as kernel:
        kernel.ok(
            "import helper, conf; helper.cfg['k'] = 5\ng = (i for i in range(3)); import os; _ = os.system('true')"
        )
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        kernel.ok("x = 1")
        head = kernel.done("log", all=True, limit=9)["checkpoints"]
        made = next(each["id"] for each in head if "helper" in each["created"])
        assert kernel.request("checkout", target=made)["status"] == "error"
        assert kernel.value("{'helper', 'conf'} & __import__('sys').modules.keys()") == set()


def test_a_library_is_none_of_them(tmp_path: Path) -> None:
    """What lies in a library's directory is left alone, as are modules that were imported before the session."""
    with Kernel(written(tmp_path)) as kernel:
        kernel.library("installed", "state = {'n': 1}\n")
        kernel.ok("import installed")
        kernel.ok("installed.state['n'] = 2")
        assert changes(kernel) == ([], [], [])
        kernel.done("undo")
        assert kernel.value("installed.state") == {"n": 2}
        (tmp_path / "libs" / "aimed-1.dist-info").mkdir(parents=True)  # as `pip install --target` puts it
        (tmp_path / "libs" / "aimed-1.dist-info" / "RECORD").write_text("aimed.py,,\n")
        (tmp_path / "libs" / "aimed.py").write_text("state = {'n': 1}\n")
        kernel.ok("import sys; sys.path.insert(0, 'libs')")
        kernel.ok("import aimed; aimed.state['n'] = 2")
        assert changes(kernel) == (["aimed"], [], [])


def test_a_module_that_is_back_has_nothing_of_a_later_state(tmp_path: Path) -> None:
    """It was taken out of the imported ones as the last state had it, and is put back for another one."""
    colour = (
        "(getattr(conf.Settings, 'colour', 0), getattr(conf, 'extra', 0), helper.LEVEL, hasattr(helper, 'counter'))"
    )
    with Kernel(written(tmp_path)) as kernel:
        heads = []
        for cell in (
            "a = 1",
            "import conf, helper",
            "conf.Settings.colour = 'red'; conf.extra = [1]; del helper.counter; helper.LEVEL = 9",
        ):
            kernel.ok(cell)
            heads.append(kernel.done("status")["head"])
        without, imported, later = heads
        for _ in range(2):
            kernel.done("checkout", target=without)
            kernel.done("checkout", target=imported)
            assert kernel.value(colour) == (0, 0, 3, True)
            kernel.done("checkout", target=later)
            assert kernel.value(colour) == ("red", [1], 9, False)


def test_autoreload(tmp_path: Path) -> None:
    """An edited file: functions are new, data are those of the state."""
    with Kernel(written(tmp_path)) as kernel:
        kernel.ok("%load_ext autoreload\n%autoreload 2")
        kernel.ok("import plugin_core; from plugin_core import RESULTS; RESULTS.append(1)")
        source = "RESULTS = ['new']\nHOOKS = {}\ndef added(): return RESULTS\n"
        (tmp_path / "plugin_core.py").write_text(source)
        kernel.ok("y = plugin_core.added()[:]")
        assert kernel.value("y") == ["new"]
        for _ in range(2):
            told = kernel.done("undo")["plan"]["notes"]
            assert told == ["plugin_core.py changed after In[2]: a checkout does not take code in files back."]
            kernel.ok("assert RESULTS == [1] and plugin_core.RESULTS is RESULTS is plugin_core.added()")
        kernel.ok("z = plugin_core.added()")
        assert kernel.done("undo")["plan"]["notes"] == []


LOOKED_AT = """
reloader, asked = get_ipython().magics_manager.registry["AutoreloadMagics"]._reloader, []
usual = reloader.filename_and_mtime
reloader.filename_and_mtime = lambda module: (asked.append(getattr(module, "__name__", "")), usual(module))[1]
"""


def test_autoreload_leaves_our_modules_alone(tmp_path: Path) -> None:
    """One that an upgrade has changed would be loaded beside others that are not; and what it tells is as ever."""
    with Kernel(written(tmp_path)) as kernel:
        kernel.ok("%load_ext autoreload\n%autoreload 2")
        kernel.ok(LOOKED_AT)
        kernel.ok("%aimport -plugin_core")
        kernel.ok("reloader.mark_module_skipped('os')")
        kernel.ok("import plugin_core")
        kernel.ok("asked.clear()")
        kernel.ok("assert 'json' in asked and not {'os', 'plugin_core'} & set(asked)")
        kernel.ok("assert not [name for name in asked if name.startswith('kishu_kernel')]")
        kernel.ok("assert reloader.skip_modules == {'plugin_core': True, 'os': True}")
        kernel.ok("del reloader.skip_modules['os']; asked.clear()")
        kernel.ok("assert 'os' in asked and reloader.skip_modules == {'plugin_core': True}")


def test_a_path_that_a_cell_adds(tmp_path: Path) -> None:
    """A path that a cell adds: in a new kernel, too."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.py").write_text("state = {'n': 1}\nLIMIT = 1\n")
    with Kernel(written(tmp_path), environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}) as kernel:
        kernel.ok("import sys; sys.path.append('elsewhere')\nimport far; s = far.state; s['n'] = 2; far.LIMIT = 7")
        for _ in range(2):
            kernel.ok("s['n'] = 3; far.LIMIT = 8")
            kernel.done("undo")
            kernel.ok("assert s is far.state and s == {'n': 2} and far.LIMIT == 7")
            kernel.done("undo")
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        kernel.done("resume")
        kernel.ok("assert s is far.state and s == {'n': 2} and far.LIMIT == 7")


def test_a_module_that_takes_the_place_of_another_one(tmp_path: Path) -> None:
    """As many modules are imported as before."""
    with Kernel(written(tmp_path)) as kernel:
        kernel.ok("import sys, this")
        kernel.ok("del sys.modules['this']; import plugin_core")
        kernel.ok("plugin_core.RESULTS.append(1)")
        assert changes(kernel) == ([], ["plugin_core.RESULTS"], [])
        kernel.done("undo")
        assert kernel.value("plugin_core.RESULTS") == []


def test_a_re_run_leaves_what_a_function_has_cached(tmp_path: Path) -> None:
    with Kernel(written(tmp_path)) as kernel:
        kernel.ok("import helper; nine = helper.square(3)")
        kernel.ok("g = (n for n in range(len(helper.square(2))))")
        kernel.ok("next(g)")
        assert kernel.done("undo")["plan"]["replay"]
        assert kernel.value("next(g), nine is helper.square(3)") == (0, True)


def test_a_package_that_gets_a_compiled_part_is_a_library(tmp_path: Path) -> None:
    compiled = Path(pytest.importorskip("_heapq").__file__)
    with Kernel(written(tmp_path)) as kernel:
        shutil.copy(compiled, tmp_path / "pack" / compiled.name)
        kernel.ok("import pack.state; x = 1")
        kernel.ok("pack.state.HISTORY.append(1)")
        assert changes(kernel) == ([], ["pack.state.HISTORY", "pack.tools.HISTORY"], [])
        kernel.ok("import pack._heapq")
        kernel.ok("pack.state.HISTORY.append(2)")
        assert changes(kernel) == ([], [], [])
        kernel.done("undo", steps=3)
        assert kernel.value("x, pack.state.HISTORY") == (1, [1, 2])


def test_a_module_that_a_cell_makes_and_imports(tmp_path: Path) -> None:
    with Kernel(tmp_path, environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}) as kernel:
        kernel.ok("import sys, types; fake = sys.modules['fake'] = types.ModuleType('fake'); x = 1")
        kernel.ok("part = sys.modules['fake.part'] = types.ModuleType('fake.part')")
        kernel.ok("fake.level = 3; part.level = 3")
        kernel.ok("fake.level = 4; del sys.modules['fake.part']")
        kernel.done("undo")
        assert kernel.value("fake.level, sys.modules['fake'] is fake") == (3, True)
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        lost = kernel.done("resume")["plan"]["lost"]
        assert "fake" in lost[0]["reason"]
        assert kernel.value("x") == 1
