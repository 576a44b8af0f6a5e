"""What notebooks use besides: solvers, stand-ins for other objects, traits, databases, stores, compiled functions."""

from __future__ import annotations

from tests.matrix.entry import ANALYSIS, DEEP, PIPELINES, library

z3 = library(ANALYSIS, "z3-solver", "z3")
wrapt = library(PIPELINES, "wrapt")
lazy = library(PIPELINES, "lazy-object-proxy", "lazy_object_proxy")
werkzeug = library(PIPELINES, "werkzeug")
django = library(PIPELINES, "django")
traitlets = library(PIPELINES, "traitlets")
sqlalchemy = library(PIPELINES, "sqlalchemy")
zarr = library(ANALYSIS, "zarr")
h5py = library(ANALYSIS, "h5py")
jax = library(DEEP, "jax")

_Z3 = "import z3\na, b = z3.Ints('a b')\n"
_TRAITS = "from traitlets import HasTraits, Int, List, Unicode, observe\n"
_SQL = (
    "import sqlalchemy as sa\n"
    "from sqlalchemy import orm\n"
    "meta = sa.MetaData()\n"
    "users = sa.Table('users', meta, sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String(20)))\n"
)
_MEMORY = (
    _SQL
    + "engine = sa.create_engine('sqlite://')\nmeta.create_all(engine)\nwith engine.begin() as _c:\n    _c.execute(users.insert(), [{'name': 'u'}])\n_c = None\n"
)
_ROWS = "[tuple(row) for row in {}.execute(sa.select(users)).fetchall()]"
_ORM = (
    "import sqlalchemy as sa\n"
    "from sqlalchemy import orm\n"
    "class Base(orm.DeclarativeBase):\n    pass\n"
    "class User(Base):\n"
    "    __tablename__ = 'users'\n"
    "    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)\n"
    "    name: orm.Mapped[str]\n"
)
_H5 = "import h5py, numpy as np\nx = h5py.File({!r}, 'w')\nx['a'] = np.arange(4)\n"

ENTRIES = (
    z3("z3.ArithRef", _Z3 + "x = a + 2 * b", "x = x + 1", "str(x)", described=False),
    z3("z3.Solver", _Z3 + "x = z3.Solver(); x.add(a > 2)", "x.add(b < 1)", "x.sexpr()", described=False),
    z3(
        "z3.Optimize",
        _Z3 + "x = z3.Optimize(); x.add(a > 2)",
        "_ = x.minimize(a)",
        "x.sexpr()",
        described=False,
    ),
    z3(
        "z3.ModelRef",
        _Z3 + "s = z3.Solver(); s.add(a == 2); _ = s.check(); x = s.model()",
        "s.add(b == 1); _ = s.check(); x = s.model()",
        "str(x)",
        described=False,
    ),
    z3("z3.Goal", _Z3 + "x = z3.Goal(); x.add(a > 2)", "x.add(b < 1)", "str(x)", described=False),
    wrapt(
        "wrapt.ObjectProxy",
        "import wrapt; inner = [1, 2]; x = wrapt.ObjectProxy(inner)",
        "x.append(3)",
        "(list(x), inner, x.__wrapped__ is inner)",
        variables=("x", "inner"),
        described=False,
    ),
    wrapt(
        "wrapt.decorator",
        "import wrapt\nfactor = 2\n@wrapt.decorator\ndef double(wrapped, instance, args, kwargs):\n    return factor * wrapped(*args, **kwargs)\n@double\ndef x(n):\n    return n",
        "@double\ndef x(n):\n    return n + 1",
        "x(4)",
        described=False,
    ),
    lazy(
        "lazy_object_proxy.Proxy",
        "import lazy_object_proxy; made = []; x = lazy_object_proxy.Proxy(lambda: made.append(1) or [7])",
        "x.append(8)",
        "(len(made), list(x) if made else None)",
        described=False,
    ),
    werkzeug(
        "werkzeug LocalProxy",
        "from werkzeug.local import LocalProxy; target = {'a': 1}; x = LocalProxy(lambda: target)",
        "x['a'] = 2",
        "(dict(x), target)",
        variables=("x", "target"),
        described=False,
    ),
    werkzeug(
        "werkzeug LocalStack",
        "from werkzeug.local import LocalStack; x = LocalStack(); _ = x.push(1)",
        "_ = x.push(2)",
        "x.top",
        described=False,
    ),
    werkzeug(
        "werkzeug MultiDict",
        "from werkzeug.datastructures import MultiDict; x = MultiDict([('a', 1), ('a', 2)])",
        "x.add('a', 3)",
        "x.getlist('a')",
    ),
    django(
        "SimpleLazyObject",
        "from django.utils.functional import SimpleLazyObject; made = []; x = SimpleLazyObject(lambda: made.append(1) or [7])",
        "x.append(8)",
        "(len(made), list(x) if made else None)",
        described=False,
    ),
    django(
        "QueryDict",
        "from django.conf import settings\nif not settings.configured:\n    settings.configure()\nfrom django.http import QueryDict; x = QueryDict('a=1&a=2', mutable=True)",
        "x.update({'a': '3'})",
        "(x.getlist('a'), x.urlencode())",
    ),
    traitlets(
        "HasTraits",
        _TRAITS + "class T(HasTraits):\n    n = Int(1)\n    l = List([1])\nx = T(n=3)",
        "x.n = 4",
        "(x.n, x.l, x.trait_values())",
    ),
    traitlets(
        "HasTraits (observed)",
        _TRAITS
        + "seen = []\nclass T(HasTraits):\n    n = Int(1)\n    @observe('n')\n    def noted(self, change):\n        seen.append(change['new'])\nx = T(n=3)\nx.observe(lambda change: seen.append('f'), 'n')",
        "x.n = 5",
        "(x.n, seen, {k: {kind: len(each) for kind, each in v.items()} for k, v in x._trait_notifiers.items()})",
        described=False,
    ),
    traitlets(
        "traitlets.link",
        _TRAITS
        + "from traitlets import link\nclass T(HasTraits):\n    n = Int(1)\ny, z = T(), T()\nx = link((y, 'n'), (z, 'n'))",
        "y.n = 7",
        "(y.n, z.n, x.source[0] is y, {k: {kind: [each.__self__ is x for each in called] for kind, called in v.items()} for k, v in y._trait_notifiers.items()})",
        variables=("x", "y", "z"),
        described=False,
    ),
    traitlets(
        "traitlets Config",
        "from traitlets.config import Config; x = Config(); x.App.level = 3",
        "x.App.level = 4",
        "(x.App.level, dict(x))",
    ),
    sqlalchemy(
        "sa.MetaData",
        _SQL + "x = meta",
        "_ = sa.Table('t', x, sa.Column('a', sa.Integer))",
        "([(t.name, t.metadata is x, [(repr(c), c.table is t) for c in t.columns]) for t in x.sorted_tables], x.tables['users'] is users)",
        variables=("x", "users"),
        described=False,
    ),
    sqlalchemy(
        "sa.Table (listened to)",
        _SQL
        + "seen = []\nx = users\nsa.event.listen(x, 'before_create', lambda target, bind, **kw: seen.append(target.name))",
        "x.append_column(sa.Column('age', sa.Integer))",
        "(x.columns.keys(), len(list(x.dispatch.before_create)), seen)",
        described=False,
    ),
    sqlalchemy(
        "sa.Table",
        _SQL + "x = users",
        "x.append_column(sa.Column('age', sa.Integer))",
        "x.columns.keys()",
        described=False,
    ),
    sqlalchemy("sa.Select", _SQL + "x = sa.select(users)", "x = x.where(users.c.id > 3)", "str(x)", described=False),
    sqlalchemy(
        "sa.Engine",
        _MEMORY + "x = engine",
        "with x.begin() as _c:\n    _c.execute(users.insert(), [{'name': 'v'}])\n_c = None",
        _ROWS.format("x.connect()"),
        described=False,
    ),
    sqlalchemy(
        "sa.Connection",
        _MEMORY + "x = engine.connect()",
        "_ = x.execute(users.insert(), [{'name': 'v'}])",
        _ROWS.format("x"),
        described=False,
    ),
    sqlalchemy(
        "orm.Session",
        _ORM
        + "engine = sa.create_engine('sqlite://')\nBase.metadata.create_all(engine)\nx = orm.Session(engine)\nx.add(User(name='u')); x.commit()",
        "x.add(User(name='v')); x.commit()",
        "[u.name for u in x.scalars(sa.select(User)).all()]",
        described=False,
    ),
    sqlalchemy("orm class", _ORM + "x = User(id=1, name='u')", "x.name = 'v'", "(x.id, x.name)", described=False),
    zarr(
        "zarr.Array (memory)",
        "import zarr, numpy as np; x = zarr.array(np.arange(12), chunks=(5,))",
        "x[3] = 99",
        "x[:].tolist()",
        described=False,
    ),
    zarr(
        "zarr.Group (memory)",
        "import zarr, numpy as np; x = zarr.group(); x.create_array('a', data=np.arange(4))",
        "x.create_array('b', data=np.arange(2)); x['a'][0] = 5; x.attrs['k'] = 1",
        "({k: v[:].tolist() for k, v in sorted(x.arrays())}, dict(x.attrs))",
        described=False,
    ),
    zarr(
        "MemoryStore",
        "import zarr, numpy as np; x = zarr.storage.MemoryStore(); g = zarr.group(store=x); g.attrs['k'] = 1",
        "g.attrs['k'] = 2",
        "(sorted(x._store_dict), g.attrs['k'], g.store is x)",
        variables=("x", "g"),
        described=False,
    ),
    h5py(
        "h5py.File",
        _H5.format("one.h5"),
        "x['a'][0] = 9; x.flush()",
        "(sorted(x), x['a'][:].tolist())",
        described=False,
    ),
    h5py(
        "h5py.Dataset",
        _H5.format("two.h5") + "f = x; x = f['a']",
        "x[0] = 9",
        "x[:].tolist()",
        described=False,
    ),
    h5py("h5py.Empty", "import h5py; x = h5py.Empty('f4')", "x = h5py.Empty('i4')", "str(x.dtype)"),
    jax(
        "jax.Array",
        "import jax, jax.numpy as jnp; x = jnp.arange(6.0).reshape(2, 3)",
        "x = x.at[0, 1].set(9)",
        "(x.tolist(), str(x.dtype))",
        described=False,
    ),
    jax(
        "jax.jit function",
        "import jax, jax.numpy as jnp\nfactor = 2.0\n@jax.jit\ndef x(v):\n    return v * factor",
        "@jax.jit\ndef x(v):\n    return v + factor",
        "x(jnp.arange(3.0)).tolist()",
        described=False,
    ),
    jax(
        "jax.grad function",
        "import jax, jax.numpy as jnp; x = jax.grad(lambda v: (v ** 2).sum())",
        "x = jax.grad(lambda v: (v ** 3).sum())",
        "x(jnp.arange(3.0)).tolist()",
        described=False,
    ),
    jax(
        "jax.vmap function",
        "import jax, jax.numpy as jnp; x = jax.vmap(lambda v: v.sum())",
        "x = jax.vmap(lambda v: v.max())",
        "x(jnp.arange(6.0).reshape(2, 3)).tolist()",
        described=False,
    ),
    jax(
        "jax.random.key",
        "import jax; x = jax.random.key(3)",
        "x, _ = jax.random.split(x)",
        "jax.random.normal(x, (2,)).tolist()",
        described=False,
    ),
    jax(
        "jax pytree",
        "import jax, jax.numpy as jnp; x = {'w': jnp.ones(2), 'b': [jnp.zeros(1)]}",
        "x = jax.tree.map(lambda v: v + 1, x)",
        "jax.tree.map(lambda v: v.tolist(), x)",
        described=False,
    ),
)
