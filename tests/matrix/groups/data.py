"""Data analysis: frames, arrays, graphs, formulas."""

from __future__ import annotations

from tests.matrix.entry import ANALYSIS, LEARNING, library

numpy = library(ANALYSIS, "numpy")
pandas = library(ANALYSIS, "pandas")
polars = library(ANALYSIS, "polars")
pyarrow = library(ANALYSIS, "pyarrow")
scipy = library(LEARNING, "scipy")
networkx = library(ANALYSIS, "networkx")
sympy = library(ANALYSIS, "sympy")
xarray = library(ANALYSIS, "xarray")
geopandas = library(ANALYSIS, "geopandas")
numba = library(ANALYSIS, "numba")
pint = library(ANALYSIS, "pint")
duckdb = library(ANALYSIS, "duckdb")

_FRAME = (
    "import pandas as pd, numpy as np\n"
    "x = pd.DataFrame({'n': np.arange(6.0), 's': list('ababac'), 'd': pd.date_range('2020', periods=6)})\n"
    "x['c'] = x['s'].astype('category')\n"
)
_POLARS = "import polars as pl\nx = pl.DataFrame({'a': [1, 2, None], 's': ['u', 'v', 'w'], 'l': [[1], [], [2, 3]]})\n"

ENTRIES = (
    numpy("np.ndarray", "import numpy as np; x = np.arange(12.0).reshape(3, 4)", "x[1, 2] = -1", "x.tolist()"),
    numpy(
        "np.ndarray (view)",
        "import numpy as np; a = np.arange(9); x = a[2:7:2]",
        "x[0] = 77",
        "(a.tolist(), x.base is a)",
        variables=("a", "x"),
    ),
    numpy(
        "np.ndarray (structured)",
        "import numpy as np; x = np.zeros(3, [('a', 'i4'), ('b', 'U5')])",
        "x['b'][1] = 'new'",
        "x.tolist()",
    ),
    numpy(
        "np.ndarray (objects)",
        "import numpy as np; x = np.array([[1], 'a', None], dtype=object)",
        "x[0].append(2)",
        "x.tolist()",
    ),
    numpy(
        "np.ma.MaskedArray",
        "import numpy as np; x = np.ma.array([1.0, 2, 3], mask=[0, 1, 0])",
        "x[0] = np.ma.masked",
        "(x.tolist(), x.sum())",
    ),
    numpy("np.matrix", "import numpy as np; x = np.asmatrix('1 2; 3 4')", "x[0, 0] = 9", "x.tolist()"),
    numpy(
        "np.recarray",
        "import numpy as np; x = np.rec.array([(1, 2.5)], names='a,b')",
        "x.a[0] = 3",
        "(x.a.tolist(), x.b.tolist())",
    ),
    numpy(
        "np.datetime64", "import numpy as np; x = np.array(['2024-01-01', 'NaT'], 'M8[D]')", "x[1] = x[0]", "x.tolist()"
    ),
    numpy(
        "np.random.Generator", "import numpy as np; x = np.random.default_rng(3)", "x.random()", "x.bit_generator.state"
    ),
    numpy("np.random.RandomState", "import numpy as np; x = np.random.RandomState(3)", "x.rand()", "x.get_state()[1:]"),
    numpy(
        "np.random.SeedSequence",
        "import numpy as np; x = np.random.SeedSequence(5)",
        "x.spawn(2)",
        "(x.entropy, x.n_children_spawned)",
    ),
    numpy(
        "np.memmap",
        "import numpy as np; x = np.memmap('m.dat', 'f8', 'w+', shape=(4,)); x[:] = 1",
        "x[2] = 5",
        "x.tolist()",
    ),
    numpy(
        "np.nditer",
        "import numpy as np; x = np.nditer(np.arange(3)); next(x);",
        "next(x);",
        "(x.iterindex, x.value.tolist())",
    ),
    numpy("np.poly1d", "import numpy as np; x = np.poly1d([1, 0, -1])", "x[0] = 5", "(x.coeffs.tolist(), x(2))"),
    numpy(
        "np.polynomial.Polynomial",
        "import numpy as np; x = np.polynomial.Polynomial([1, 2, 3])",
        "x.coef[0] = 4",
        "(x(2), str(x))",
    ),
    numpy("np.vectorize", "import numpy as np; x = np.vectorize(lambda v: v + 1)", "x.otypes = 'd'", "x([1, 2]).dtype"),
    numpy(
        "np.dtypes.StringDType",
        "import numpy as np; x = np.array(['a', 'long' * 20], dtype=np.dtypes.StringDType())",
        "x[0] = 'b'",
        "x.tolist()",
    ),
    pandas("pd.DataFrame", _FRAME, "x.loc[1, 'n'] = -1", "x.to_csv()"),
    pandas(
        "pd.DataFrame (sparse)",
        "import pandas as pd; x = pd.DataFrame({'a': pd.arrays.SparseArray([0, 0, 1])})",
        "x['b'] = x['a'] * 2",
        "x.to_csv()",
    ),
    pandas("pd.Series", "import pandas as pd; x = pd.Series([1, 2, 3], name='s')", "x[0] = 9", "x.to_dict()"),
    pandas(
        "pd.Series (strings)",
        "import pandas as pd; x = pd.Series(['a', None, 'c'], dtype='string')",
        "x[1] = 'b'",
        "x.tolist()",
    ),
    pandas(
        "pd.Series (Int64)", "import pandas as pd; x = pd.Series([1, None], dtype='Int64')", "x[1] = 4", "x.tolist()"
    ),
    pandas(
        "pd.Categorical",
        "import pandas as pd; x = pd.Categorical(['a', 'b', 'a'])",
        "x[0] = 'b'",
        "(x.tolist(), x.categories.tolist())",
    ),
    pandas(
        "pd.Index", "import pandas as pd; x = pd.Index(['a', 'b'], name='k')", "x.name = 'q'", "(x.tolist(), x.name)"
    ),
    pandas(
        "pd.MultiIndex",
        "import pandas as pd; x = pd.MultiIndex.from_product([[1, 2], ['a']])",
        "x.names = ['p', 'q']",
        "(x.tolist(), x.names)",
    ),
    pandas(
        "pd.DatetimeIndex",
        "import pandas as pd; x = pd.date_range('2024', periods=3, tz='Europe/Paris')",
        "x = x.shift(1)",
        "(x.tolist(), x.freq)",
    ),
    pandas(
        "pd.IntervalIndex", "import pandas as pd; x = pd.interval_range(0, 3)", "x = x.set_closed('left')", "x.tolist()"
    ),
    pandas(
        "pd.Timestamp",
        "import pandas as pd; x = pd.Timestamp('2024-05-06', tz='UTC')",
        "x += pd.Timedelta('1h')",
        "x.isoformat()",
    ),
    pandas("pd.Period", "import pandas as pd; x = pd.Period('2024-05')", "x += 1", "str(x)"),
    pandas(
        "DataFrameGroupBy", _FRAME + "x = x.groupby('s')", "x = x.obj.groupby('c', observed=True)", "x.size().to_dict()"
    ),
    pandas(
        "DataFrameGroupBy (over a frame)",
        _FRAME + "df = x; x = df.groupby('s')",
        "x.obj.loc[0, 'n'] = 7.0",
        "(x.n.sum().to_dict(), x.obj is df)",
    ),
    pandas("Rolling", _FRAME + "x = x[['n']].rolling(2)", "x.window = 3", "x.mean().n.tolist()"),
    pandas(
        "Resampler",
        _FRAME + "x = x.set_index('d')[['n']].resample('2D')",
        "x = x.obj.resample('3D')",
        "x.sum().n.tolist()",
    ),
    pandas(
        "Styler",
        _FRAME + "x = x.style.highlight_max(subset=['n'])",
        "x.set_caption('c')",
        "x.to_html(uuid='u')",
        needs=("pandas", "jinja2"),
    ),
    pandas(
        "dict of pd.DataFrame", _FRAME + "x = {'a': x, 'b': x[['n']]}", "x['b'].iloc[0, 0] = 3.5", "x['b'].n.tolist()"
    ),
    pandas(
        "pd.api.indexers.FixedForwardWindowIndexer",
        "import pandas as pd; x = pd.api.indexers.FixedForwardWindowIndexer(window_size=2)",
        "x.window_size = 3",
        "pd.Series([1, 2, 3.0]).rolling(x).sum().tolist()",
    ),
    polars("pl.DataFrame", _POLARS, "x[0, 'a'] = 7", "x.rows()"),
    polars("pl.Series", "import polars as pl; x = pl.Series('s', ['a', None, 'c'])", "x[1] = 'b'", "x.to_list()"),
    polars(
        "pl.LazyFrame",
        _POLARS + "x = x.lazy().filter(pl.col('a') > 0).select('s')",
        "x = x.head(1)",
        "x.collect().rows()",
    ),
    polars(
        "pl.Expr",
        "import polars as pl; x = pl.col('a') + 1",
        "x = x * 2",
        "pl.DataFrame({'a': [1, 2]}).select(x).rows()",
    ),
    polars("pl.Schema", "import polars as pl; x = pl.Schema({'a': pl.Int64})", "x['b'] = pl.String", "x.to_python()"),
    polars(
        "pl.GroupBy",
        _POLARS + "x = x.group_by('s', maintain_order=True)",
        "x = x.df.group_by('a', maintain_order=True)",
        "x.len().rows()",
    ),
    polars(
        "pl.SQLContext",
        _POLARS + "df = x; x = pl.SQLContext(t=df)",
        "x.register('u', df);",
        "(x.tables(), x.execute('select count(*) from t').collect().item())",
    ),
    polars("pl.Config", "import polars as pl; x = {'config': pl.Config(), 'n': 1}", "x['n'] = 2", "x['n']"),
    polars(
        "pl.Enum",
        "import polars as pl; x = pl.Series(['a', 'b'], dtype=pl.Enum(['a', 'b', 'c']))",
        "x[0] = 'c'",
        "(x.to_list(), x.dtype)",
    ),
    pyarrow(
        "pa.Table",
        "import pyarrow as pa; x = pa.table({'a': [1, None], 's': ['u', 'v']})",
        "x = x.append_column('b', [[1, 2]])",
        "x.to_pylist()",
    ),
    pyarrow("pa.Array", "import pyarrow as pa; x = pa.array([[1], None, [2, 3]])", "x = x.slice(1)", "x.to_pylist()"),
    pyarrow(
        "pa.ChunkedArray",
        "import pyarrow as pa; x = pa.chunked_array([[1, 2], [3]])",
        "x = x.filter(pa.array([True, False, True]))",
        "(x.to_pylist(), x.num_chunks)",
    ),
    pyarrow(
        "pa.RecordBatch", "import pyarrow as pa; x = pa.record_batch({'a': [1, 2]})", "x = x.slice(1)", "x.to_pylist()"
    ),
    pyarrow(
        "pa.Schema",
        "import pyarrow as pa; x = pa.schema([('a', pa.int32())], metadata={'k': 'v'})",
        "x = x.append(pa.field('b', pa.string()))",
        "(str(x), x.metadata)",
    ),
    pyarrow("pa.Buffer", "import pyarrow as pa; x = pa.py_buffer(b'abc')", "x = x.slice(1)", "x.to_pybytes()"),
    pyarrow("pa.Scalar", "import pyarrow as pa; x = pa.scalar({'a': 1})", "x = pa.scalar({'a': 2})", "x.as_py()"),
    pyarrow(
        "pa.DictionaryArray",
        "import pyarrow as pa; x = pa.array(['a', 'b', 'a']).dictionary_encode()",
        "x = x.take(pa.array([1, 0]))",
        "(x.to_pylist(), x.dictionary.to_pylist())",
    ),
    pyarrow(
        "pyarrow.compute.Expression",
        "import pyarrow.compute as pc; x = pc.field('a') > 1",
        "x = x & (pc.field('b') < 2)",
        "str(x)",
    ),
    pyarrow(
        "pyarrow.dataset.Dataset",
        "import pyarrow as pa, pyarrow.dataset as ds; x = ds.dataset(pa.table({'a': [1, 2]}))",
        "x = ds.dataset(pa.table({'a': [1, 2, 3]}))",
        "x.to_table().to_pylist()",
    ),
    pyarrow("pyarrow.BufferReader", "import pyarrow as pa; x = pa.BufferReader(b'abcdef')", "x.read(2)", "x.tell()"),
    scipy(
        "scipy.sparse.csr_matrix",
        "import scipy.sparse as sp; x = sp.csr_matrix([[1.0, 0], [0, 2]])",
        "x[0, 0] = 5",
        "x.toarray().tolist()",
    ),
    scipy(
        "scipy.sparse.coo_array",
        "import scipy.sparse as sp; x = sp.coo_array(([1.0, 2], ([0, 1], [1, 0])))",
        "x.data[0] = 9",
        "x.toarray().tolist()",
    ),
    scipy(
        "scipy.sparse.lil_matrix",
        "import scipy.sparse as sp; x = sp.lil_matrix((2, 3))",
        "x[0, 1] = 4",
        "x.toarray().tolist()",
    ),
    scipy(
        "scipy.spatial.KDTree",
        "import numpy as np; from scipy.spatial import KDTree; x = KDTree(np.arange(12.0).reshape(6, 2))",
        "x.tag = 1",
        "(x.query([2.1, 3])[1], x.size, getattr(x, 'tag', None))",
    ),
    scipy(
        "scipy.spatial.ConvexHull",
        "import numpy as np; from scipy.spatial import ConvexHull; x = ConvexHull(np.array([[0., 0], [1, 0], [1, 1], [0, 1], [.5, .5]]), incremental=True)",
        "x.add_points([[2., 2]])",
        "(x.volume, sorted(x.vertices))",
    ),
    scipy(
        "scipy.spatial.Delaunay",
        "import numpy as np; from scipy.spatial import Delaunay; x = Delaunay(np.array([[0., 0], [1, 0], [0, 1], [1, 1.1]]))",
        "x.points[0, 0] = -1",
        "(x.simplices.tolist(), x.points.tolist(), x.find_simplex([[0.2, 0.2]]).tolist())",
    ),
    scipy(
        "scipy.spatial.transform.Rotation",
        "from scipy.spatial.transform import Rotation; x = Rotation.from_euler('z', [[90], [45]], degrees=True)",
        "x[0] = Rotation.identity()",
        "x.as_quat().round(9).tolist()",
    ),
    scipy(
        "scipy.stats.rv_frozen",
        "from scipy import stats; x = stats.norm(3, 2)",
        "x.kwds['scale'] = 4; x.args = (3,)",
        "(x.mean(), x.cdf(4))",
    ),
    scipy(
        "scipy.stats.gaussian_kde",
        "from scipy import stats; x = stats.gaussian_kde([1., 2, 2.5, 7])",
        "x.set_bandwidth(0.3)",
        "x([2.0]).tolist()",
    ),
    scipy(
        "scipy.interpolate.CubicSpline",
        "from scipy.interpolate import CubicSpline; x = CubicSpline([0, 1, 2], [0., 1, 4])",
        "x.c[0, 0] = 3",
        "float(x(1.5))",
    ),
    scipy(
        "scipy.interpolate.BSpline",
        "from scipy.interpolate import make_interp_spline; x = make_interp_spline(range(6), [0., 1, 4, 9, 16, 20])",
        "x.c[1] = 2",
        "float(x(1.5))",
    ),
    scipy(
        "scipy.optimize.OptimizeResult",
        "from scipy.optimize import minimize; x = minimize(lambda v: (v[0] - 1) ** 2, [0.0])",
        "x.message = 'changed'",
        "(x.message, x.x.tolist(), x.nfev)",
    ),
    scipy(
        "scipy.signal.StateSpace",
        "from scipy import signal; x = signal.TransferFunction([1], [1, 2]).to_ss()",
        "x.A = [[-3.0]]",
        "(x.A.tolist(), x.to_tf().den.tolist())",
    ),
    networkx(
        "nx.Graph",
        "import networkx as nx; x = nx.karate_club_graph()",
        "x.add_edge(0, 99)",
        "(x.number_of_edges(), sorted(x.nodes))",
    ),
    networkx(
        "nx.DiGraph",
        "import networkx as nx; x = nx.DiGraph([(1, 2), (2, 3)])",
        "x[1][2]['weight'] = 5",
        "(list(x.edges(data=True)), list(nx.topological_sort(x)))",
    ),
    networkx(
        "nx.MultiGraph",
        "import networkx as nx; x = nx.MultiGraph([(1, 2), (1, 2)])",
        "x.add_edge(1, 2, key='k')",
        "list(x.edges(keys=True))",
    ),
    networkx(
        "nx.NodeView",
        "import networkx as nx; g = nx.path_graph(3); x = g.nodes",
        "x[0]['mark'] = 1",
        "dict(g.nodes(data=True))",
    ),
    networkx(
        "nx.subgraph view",
        "import networkx as nx; g = nx.path_graph(4); x = nx.subgraph_view(g, filter_node=lambda n: n > 0)",
        "g.add_edge(3, 1)",
        "sorted(x.edges)",
    ),
    sympy(
        "sympy.Symbol",
        "import sympy as sp; x = sp.symbols('a b')",
        "x = x + (sp.Symbol('a', positive=True),)",
        "[each.assumptions0 for each in x]",
    ),
    sympy(
        "sympy.Expr",
        "import sympy as sp; a = sp.Symbol('a'); x = sp.sin(a) ** 2 + 1",
        "x = x.diff(a)",
        "(str(x), x.has(a))",
    ),
    sympy(
        "sympy.Matrix",
        "import sympy as sp; x = sp.Matrix([[1, 2], [3, 4]])",
        "x[0, 0] = sp.pi",
        "(str(x), str(x.det()))",
    ),
    sympy(
        "sympy.Function",
        "import sympy as sp; t = sp.Symbol('t'); f = sp.Function('f'); x = [f(t)]",
        "x.append(f(t).diff(t))",
        "(str(x), x[0].func == f)",
    ),
    sympy(
        "sympy.Poly",
        "import sympy as sp; a = sp.Symbol('a'); x = sp.Poly(a**2 - 1, a)",
        "x = x * x",
        "(str(x), x.all_coeffs())",
    ),
    sympy("sympy.Dummy", "import sympy as sp; d = sp.Dummy('d'); x = [d + 1]", "x.append(d)", "(x[0].has(d), str(x))"),
    sympy(
        "sympy.lambdify",
        "import sympy as sp; a = sp.Symbol('a'); x = sp.lambdify(a, a**2)",
        "x.tag = 1",
        "(x(3), vars(x).get('tag'))",
    ),
    sympy(
        "sympy.Eq and solveset",
        "import sympy as sp; a = sp.Symbol('a'); x = sp.solveset(sp.Eq(a**2, 4), a)",
        "x = x.intersect(sp.Interval(0, 9))",
        "str(x)",
    ),
    sympy(
        "sympy.geometry.Point",
        "import sympy as sp; x = [sp.Point(0, 0), sp.Circle((0, 0), 2)]",
        "x.append(x[0].translate(1, 1))",
        "str(x)",
    ),
    sympy(
        "sympy.physics.units",
        "import sympy as sp; from sympy.physics import units as u; x = [3 * u.meter]",
        "x.append(u.convert_to(x[0], u.kilometer))",
        "str(x)",
    ),
    xarray(
        "xr.DataArray",
        "import xarray as xr, numpy as np; x = xr.DataArray(np.zeros((2, 3)), dims=('a', 'b'), coords={'a': [1, 2]})",
        "x[0, 1] = 5",
        "x.to_dict()",
    ),
    xarray(
        "xr.Dataset",
        "import xarray as xr; x = xr.Dataset({'v': ('t', [1., 2])}, attrs={'k': [1]})",
        "x['v'].attrs['unit'] = 'm'",
        "x.to_dict()",
    ),
    xarray(
        "xr.DatasetGroupBy",
        "import xarray as xr; x = xr.Dataset({'v': ('t', [1., 2])}, coords={'g': ('t', ['a', 'b'])}).groupby('g')",
        "x = x.sum().groupby('g')",
        "x.sum().to_dict()",
    ),
    geopandas(
        "gpd.GeoDataFrame",
        "import geopandas as gpd; from shapely.geometry import Point; x = gpd.GeoDataFrame({'n': [1, 2]}, geometry=[Point(0, 0), Point(1, 2)], crs=4326)",
        "x.loc[0, 'geometry'] = Point(5, 5)",
        "(x.to_json(), x.crs.to_epsg())",
    ),
    geopandas(
        "shapely.Polygon",
        "from shapely.geometry import Polygon; x = Polygon([(0, 0), (1, 0), (1, 1)])",
        "x = x.buffer(1)",
        "x.wkt",
        needs=("shapely",),
    ),
    geopandas(
        "pyproj.CRS", "import pyproj; x = pyproj.CRS(4326)", "x = pyproj.CRS(3857)", "x.to_wkt()", needs=("pyproj",)
    ),
    numba(
        "numba.njit function",
        "import numba\n@numba.njit\ndef x(n):\n    return n * 2\nx(2)",
        "x.py_func.tag = 1",
        "(x(4), vars(x.py_func).get('tag'))",
        described=False,
    ),
    numba(
        "numba.typed.List", "from numba.typed import List; x = List([1, 2])", "x.append(3)", "list(x)", described=False
    ),
    pint(
        "pint.Quantity",
        "import pint; u = pint.UnitRegistry(); x = 3.0 * u.meter",
        "x.ito('km')",
        "(str(x), x.to('m').magnitude)",
        described=False,
        variables=("x", "u"),
    ),
    pint(
        "pint.UnitRegistry",
        "import pint; x = pint.UnitRegistry(); q = [3.0 * x.meter]; Q = x.Quantity; c = pint.Context('light')",
        "x.define('smoot = 1.7018 * meter'); x.add_context(c); x.formatter.default_format = '~'; q[0] = 2.0 * x.smoot",
        "('smoot' in x, c.name in x._contexts, str(q[0].to('cm')), q[0].u._REGISTRY is x, str(q[0] + Q(1, 'm')), Q is x.Quantity)",
        described=False,
        variables=("x", "q", "Q", "c"),
    ),
    duckdb(
        "duckdb.DuckDBPyConnection",
        "import duckdb; x = duckdb.connect(); _ = x.execute('create table t as select 1 as n')",
        "_ = x.execute('insert into t values (2)')",
        "x.execute('select * from t').fetchall()",
    ),
    duckdb(
        "duckdb.DuckDBPyRelation",
        "import duckdb; x = duckdb.sql('select 42 as n')",
        "x = x.filter('n > 50')",
        "x.fetchall()",
        described=False,
    ),
)
