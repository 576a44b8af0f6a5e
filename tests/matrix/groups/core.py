"""What every Python has."""

from __future__ import annotations

from tests.matrix.entry import STANDARD, library

python = library(STANDARD, "")

ENTRIES = (
    python("list", "x = [1, [2, 3], 'a']", "x[1].append(4)", "x"),
    python("dict", "x = {'a': {'b': 1}, 2: (3,)}", "x['a']['b'] = 2", "x"),
    python("set", "x = {1, 'a', (2, 3)}", "x.add(frozenset({4}))", "sorted(map(str, x))"),
    python("tuple", "x = ([1], {'k': 2})", "x[0].append(2)", "x"),
    python("bytearray", "x = bytearray(b'abc')", "x[0] = 122", "bytes(x)"),
    python("memoryview", "b = bytearray(range(9)); x = memoryview(b)[2:5]", "x[0] = 77", "(x.tolist(), bytes(b))"),
    python("array.array", "import array; x = array.array('d', [1.5, 2.5])", "x.append(3.5)", "x.tolist()"),
    python(
        "collections.OrderedDict",
        "from collections import OrderedDict; x = OrderedDict(a=1, b=2)",
        "x.move_to_end('a')",
        "list(x.items())",
    ),
    python(
        "collections.defaultdict",
        "from collections import defaultdict; x = defaultdict(list, a=[1])",
        "x['b'].append(2)",
        "(dict(x), x.default_factory)",
    ),
    python(
        "collections.Counter",
        "from collections import Counter; x = Counter('abca')",
        "x.update('bb')",
        "x.most_common()",
    ),
    python("collections.deque", "from collections import deque; x = deque([1, 2, 3], maxlen=3)", "x.append(4)", "x"),
    python(
        "collections.ChainMap", "from collections import ChainMap; x = ChainMap({'a': 1}, {'b': 2})", "x['b'] = 3", "x"
    ),
    python(
        "collections.namedtuple",
        "from collections import namedtuple; Point = namedtuple('Point', 'at values'); x = Point(1, [2])",
        "x.values.append(3)",
        "(x._asdict(), isinstance(x, Point))",
    ),
    python(
        "dataclasses.dataclass",
        "from dataclasses import dataclass, field\n@dataclass\nclass Item:\n    name: str\n"
        "    tags: list = field(default_factory=list)\nx = Item('a')",
        "x.tags.append('new')",
        "(x, isinstance(x, Item), x == Item('a'))",
        variables=("x", "Item"),
    ),
    python(
        "enum.Enum",
        "import enum\nclass Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\nx = [Colour.RED]",
        "x.append(Colour.BLUE)",
        "(x, x[0] is Colour.RED)",
        variables=("x", "Colour"),
    ),
    python("decimal.Decimal", "from decimal import Decimal; x = [Decimal('1.10')]", "x[0] += Decimal('0.01')", "x"),
    python("decimal.Context", "import decimal; x = decimal.Context(prec=5)", "x.prec = 9", "x.divide(1, 3)"),
    python("fractions.Fraction", "from fractions import Fraction; x = Fraction(1, 3)", "x += 1", "x"),
    python(
        "datetime.datetime",
        "import datetime, zoneinfo; x = datetime.datetime(2024, 3, 31, 2, tzinfo=datetime.timezone.utc)",
        "x += datetime.timedelta(days=1)",
        "x.isoformat()",
    ),
    python("uuid.UUID", "import uuid; x = uuid.uuid4()", "x = uuid.uuid4()", "x"),
    python("pathlib.Path", "from pathlib import Path; x = Path('a') / 'b'", "x = x / 'c'", "x"),
    python(
        "re.Pattern", "import re; x = re.compile('a+', re.I)", "x = re.compile('a+')", "(x.findall('AaB'), x.flags)"
    ),
    python(
        "re.Match", "import re; x = re.match('(a+)(b*)', 'aab')", "x = re.match('(a+)', 'aa')", "(x.groups(), x.span())"
    ),
    python("random.Random", "import random; x = random.Random(7)", "x.random()", "x.getstate()"),
    python(
        "argparse.ArgumentParser",
        "import argparse; x = argparse.ArgumentParser(prog='p'); x.add_argument('--n', type=int, default=3)",
        "x.add_argument('--m')",
        "(x.format_help(), x.parse_args(['--n', '5']))",
    ),
    python("argparse.Namespace", "import argparse; x = argparse.Namespace(a=1)", "x.a = 2", "x"),
    python(
        "configparser.ConfigParser",
        "import configparser; x = configparser.ConfigParser(); x.read_string('[a]\\nb = 1\\n')",
        "x['a']['b'] = '2'",
        "{name: dict(x[name]) for name in x}",
    ),
    python(
        "logging.Logger",
        "import logging; x = logging.getLogger('matrix.entry')",
        "x = x.getChild('below')",
        "(x.name, x is logging.getLogger(x.name))",
    ),
    python(
        "logging.Formatter",
        "import logging; x = logging.Formatter('%(message)s')",
        "x.datefmt = '%H'",
        "(x._fmt, x.datefmt)",
    ),
    python(
        "threading.Lock",
        "import threading; x = {'lock': threading.Lock(), 'n': 0}",
        "with x['lock']: x['n'] += 1",
        "(x['n'], x['lock'].locked())",
    ),
    python(
        "threading.Event",
        "import threading; x = threading.Event()",
        "x.set()",
        "x.is_set()",
    ),
    python("queue.Queue", "import queue; x = queue.Queue(); x.put(1)", "x.put(2)", "list(x.queue)"),
    python(
        "io.StringIO", "import io; x = io.StringIO('ab'); _ = x.seek(2)", "x.write('cd')", "(x.getvalue(), x.tell())"
    ),
    python("io.BytesIO", "import io; x = io.BytesIO(b'abcd')", "x.read(2)", "(x.getvalue(), x.tell())"),
    python(
        "open file (reading)",
        "_ = open('lines.txt', 'w').write('one\\ntwo\\nthree\\n'); x = open('lines.txt'); x.readline()",
        "x.readline()",
        "(x.name, x.mode, x.closed, x.tell())",
    ),
    python("hashlib.sha256", "import hashlib; x = hashlib.sha256(b'ab')", "x.update(b'c')", "x.hexdigest()"),
    python(
        "generator",
        "def count(n):\n    while True:\n        n += 1\n        yield n\nx = count(3); next(x)",
        "next(x)",
        "x.gi_frame.f_locals",
    ),
    python(
        "itertools.chain",
        "import itertools; x = itertools.chain([1, 2], [3])",
        "next(x)",
    ),
    python(
        "sqlite3.Connection",
        "import sqlite3; x = sqlite3.connect(':memory:'); _ = x.execute('create table t (n)')",
        "_ = x.execute('insert into t values (7)')",
        "x.execute('select * from t').fetchall()",
    ),
    python(
        "functools.partial",
        "import functools; x = functools.partial(sorted, key=abs)",
        "x.keywords['reverse'] = True",
        "x([1, -3, 2])",
    ),
    python(
        "functools.lru_cache",
        "import functools\n@functools.lru_cache(maxsize=8)\ndef x(n):\n    return n * factor\nfactor = 2; x(1)",
        "x.tag = 1",
        "(x.cache_parameters(), x(4), vars(x).get('tag'))",
    ),
    python(
        "types.SimpleNamespace", "from types import SimpleNamespace; x = SimpleNamespace(a=[1])", "x.a.append(2)", "x"
    ),
    python(
        "types.MappingProxyType",
        "from types import MappingProxyType; d = {1: 2}; x = MappingProxyType(d)",
        "d[3] = 4",
        "dict(x)",
    ),
    python(
        "weakref.ref",
        "import weakref\nclass Node: pass\nn = Node(); x = weakref.ref(n)",
        "n.mark = 1",
        "(x() is n, vars(x()))",
    ),
    python(
        "weakref.WeakValueDictionary",
        "import weakref\nclass Node: pass\nn = Node(); x = weakref.WeakValueDictionary(a=n)",
        "x['b'] = n",
        "sorted((key, value is n) for key, value in x.items())",
    ),
    python(
        "contextvars.ContextVar",
        "import contextvars; x = contextvars.ContextVar('v', default=[1])",
        "x.set([2]);",
        "x.get()",
    ),
    python(
        "struct.Struct", "import struct; x = struct.Struct('<hd')", "x = struct.Struct('<hh')", "(x.format, x.size)"
    ),
    python(
        "xml.etree.ElementTree.Element",
        "import xml.etree.ElementTree as ET; x = ET.fromstring('<a><b k=\"1\"/>t</a>')",
        "x[0].set('k', '2')",
        "ET.tostring(x)",
    ),
    python(
        "string.Template",
        "from string import Template; x = Template('$a b')",
        "x.template = '$a c'",
        "x.substitute(a=1)",
    ),
    python(
        "email.message.EmailMessage",
        "from email.message import EmailMessage; x = EmailMessage(); x['To'] = 'a'; x.set_content('hi')",
        "x['Cc'] = 'b'",
        "x.as_string()",
    ),
    python(
        "statistics.NormalDist",
        "from statistics import NormalDist; x = NormalDist(3, 1)",
        "x = x + 2",
        "(x.mean, x.cdf(4))",
    ),
    python(
        "graphlib.TopologicalSorter",
        "from graphlib import TopologicalSorter; x = TopologicalSorter({'b': {'a'}})",
        "x.add('c', 'b')",
        "sorted(x._node2info)",
    ),
    python(
        "heapq of tuples",
        "import heapq; x = [(3, 'c'), (1, 'a')]; heapq.heapify(x)",
        "heapq.heappush(x, (0, 'z'))",
        "x",
    ),
    python(
        "ipaddress.IPv4Network",
        "import ipaddress; x = [ipaddress.ip_network('10.0.0.0/8')]",
        "x.append(ipaddress.ip_network('10.1.0.0/16'))",
        "x",
    ),
    python(
        "zoneinfo.ZoneInfo",
        "import zoneinfo; x = [zoneinfo.ZoneInfo('Europe/Paris')]",
        "x.append(zoneinfo.ZoneInfo('UTC'))",
        "[zone.key for zone in x]",
    ),
    python(
        "ctypes.Structure",
        "import ctypes\nclass Pair(ctypes.Structure):\n    _fields_ = [('a', ctypes.c_int), ('b', ctypes.c_double)]\nx = Pair(1, 2.5)",
        "x.a = 5",
        "(x.a, x.b)",
    ),
    python(
        "concurrent.futures.ThreadPoolExecutor",
        "from concurrent.futures import ThreadPoolExecutor; x = ThreadPoolExecutor(2)",
        "x.shutdown()",
        "(x._max_workers, x._shutdown)",
    ),
    python("ast.Module", "import ast; x = ast.parse('a = 1')", "x.body[0].value.value = 2", "ast.unparse(x)"),
    python(
        "subprocess.CompletedProcess",
        "import subprocess; x = subprocess.run(['true'])",
        "x.args.append('more')",
        "(x.args, x.returncode)",
    ),
    python("tempfile.TemporaryDirectory", "import tempfile; x = [tempfile.mkdtemp()]", "x.append(1)", "len(x)"),
)
