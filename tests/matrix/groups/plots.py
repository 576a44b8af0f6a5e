"""Data visualization. Figures are drawn by Agg."""

from __future__ import annotations

from tests.matrix.entry import VISUALIZATION, library

matplotlib = library(VISUALIZATION, "matplotlib")
seaborn = library(VISUALIZATION, "seaborn")
plotly = library(VISUALIZATION, "plotly")
bokeh = library(VISUALIZATION, "bokeh")
altair = library(VISUALIZATION, "altair")
ipywidgets = library(VISUALIZATION, "ipywidgets")
folium = library(VISUALIZATION, "folium")
pydot = library(VISUALIZATION, "pydot")

_AXES = "import matplotlib.pyplot as plt, numpy as np\nfig, ax = plt.subplots(); plt.close(fig)\n"
_FRAME = "import seaborn as sns, pandas as pd, numpy as np, matplotlib.pyplot as plt\ndf = pd.DataFrame({'a': np.arange(8.0), 'b': np.arange(8.0) ** 2, 'k': list('uvuvuvuv')})\n"
_DRAWN = "({0}.set_canvas(__import__('matplotlib.backends.backend_agg').backends.backend_agg.FigureCanvasAgg({0})), {0}.canvas.draw(), __import__('hashlib').sha1({0}.canvas.buffer_rgba()).hexdigest())[2]"

ENTRIES = (
    matplotlib(
        "plt.Figure",
        _AXES + "x = fig; ax.plot([1, 2, 3])",
        "x.suptitle('t')",
        "(x._suptitle and x._suptitle.get_text(), " + _DRAWN.format("x") + ")",
    ),
    matplotlib(
        "Axes", _AXES + "x = ax; x.bar(['a', 'b'], [3, 4])", "x.set_ylabel('n')", "(x.get_ylabel(), len(x.patches))"
    ),
    matplotlib(
        "Line2D", _AXES + "[x] = ax.plot([1, 4, 9], label='sq')", "x.set_ydata([3, 2, 1])", "x.get_xydata().tolist()"
    ),
    matplotlib(
        "AxesImage",
        _AXES + "x = ax.imshow(np.eye(3)); fig.colorbar(x)",
        "x.set_clim(0, 5)",
        "(x.get_clim(), x.get_array().tolist())",
    ),
    matplotlib(
        "PathCollection",
        _AXES + "x = ax.scatter([1, 2], [3, 4], c=[5, 6])",
        "x.set_offsets([[0, 0], [1, 1]])",
        "x.get_offsets().tolist()",
    ),
    matplotlib(
        "BarContainer", _AXES + "x = ax.bar([1, 2], [3, 4])", "x[0].set_height(9)", "[each.get_height() for each in x]"
    ),
    matplotlib("Text", _AXES + "x = ax.text(0.5, 0.5, 'hi')", "x.set_text('ho')", "(x.get_text(), x.get_position())"),
    matplotlib(
        "Legend",
        _AXES + "ax.plot([1, 2], label='l'); x = ax.legend()",
        "x.set_title('t')",
        "(x.get_title().get_text(), [each.get_text() for each in x.get_texts()])",
    ),
    matplotlib(
        "GridSpec",
        _AXES + "from matplotlib.gridspec import GridSpec; x = GridSpec(2, 2)",
        "x.update(wspace=0.7)",
        "(x.get_geometry(), x.wspace)",
    ),
    matplotlib(
        "ListedColormap",
        "from matplotlib.colors import ListedColormap; x = ListedColormap(['red', 'blue'])",
        "x.set_bad('green')",
        "(x([0, 1]).tolist(), x.get_bad().tolist())",
    ),
    matplotlib(
        "LinearSegmentedColormap",
        "import matplotlib; x = matplotlib.colormaps['coolwarm'].copy()",
        "x.set_under('k')",
        "(x(0.3), x.get_under().tolist())",
    ),
    matplotlib(
        "Normalize", "from matplotlib.colors import Normalize; x = Normalize(0, 10)", "x.vmax = 5", "float(x(2))"
    ),
    matplotlib(
        "Axes3D",
        "import matplotlib.pyplot as plt; fig = plt.figure(); plt.close(fig); x = fig.add_subplot(projection='3d'); _ = x.plot([1, 2], [3, 4], [5, 6])",
        "x.view_init(10, 20)",
        "(x.elev, x.azim, x.get_zlim())",
    ),
    matplotlib(
        "PolarAxes",
        "import matplotlib.pyplot as plt; fig = plt.figure(); plt.close(fig); x = fig.add_subplot(projection='polar'); _ = x.plot([0, 1], [1, 2])",
        "x.set_rmax(9)",
        "(x.get_rmax(), x.get_theta_offset())",
    ),
    matplotlib(
        "FuncAnimation",
        _AXES
        + "from matplotlib.animation import FuncAnimation\n[line] = ax.plot([0, 1])\ndef step(n): line.set_ydata([n, n]); return [line]\nx = FuncAnimation(fig, step, frames=3); x._draw_was_started = True",
        "x.repeat = False",
        "(x._interval, getattr(x, 'repeat', None))",
        described=False,
    ),
    matplotlib(
        "Path",
        "from matplotlib.path import Path; x = Path([(0, 0), (1, 1), (2, 0)])",
        "x.vertices[0, 0] = 5",
        "(x.vertices.tolist(), x.codes)",
    ),
    matplotlib(
        "Affine2D",
        "from matplotlib.transforms import Affine2D; x = Affine2D().rotate_deg(30)",
        "x.translate(1, 2)",
        "x.get_matrix().tolist()",
    ),
    matplotlib(
        "Circle",
        "from matplotlib.patches import Circle; x = Circle((1, 2), 3)",
        "x.set_radius(5)",
        "(x.center, x.radius)",
    ),
    matplotlib(
        "MaxNLocator",
        "from matplotlib.ticker import MaxNLocator; x = MaxNLocator(4)",
        "x.set_params(nbins=9)",
        "x.tick_values(0, 10).tolist()",
    ),
    matplotlib(
        "RcParams",
        "import matplotlib; x = matplotlib.rcParams.copy()",
        "x['lines.linewidth'] = 7",
        "x['lines.linewidth']",
    ),
    matplotlib(
        "FontProperties",
        "from matplotlib.font_manager import FontProperties; x = FontProperties(size=9)",
        "x.set_weight('bold')",
        "(x.get_size(), x.get_weight())",
    ),
    matplotlib(
        "Tri",
        "import matplotlib.tri as tri; x = tri.Triangulation([0, 1, 0, 1], [0, 0, 1, 1])",
        "x.set_mask([True, False])",
        "(x.get_masked_triangles().tolist(), x.edges.tolist())",
    ),
    matplotlib(
        "Quiver",
        _AXES + "x = ax.quiver([0, 1], [0, 1], [1, 1], [1, 0])",
        "x.set_UVC([2, 2], [0, 0])",
        "(x.U.tolist(), x.V.tolist())",
    ),
    matplotlib(
        "QuadContourSet",
        _AXES + "x = ax.contourf(np.arange(9.0).reshape(3, 3))",
        "x.set_alpha(0.5)",
        "(x.levels.tolist(), x.get_alpha())",
    ),
    seaborn(
        "sns.FacetGrid",
        _FRAME + "x = sns.FacetGrid(df, col='k').map(sns.scatterplot, 'a', 'b'); plt.close('all')",
        "x.set_titles('{col_name}!')",
        "[each.get_title() for each in x.axes.flat]",
    ),
    seaborn(
        "sns.PairGrid",
        _FRAME + "x = sns.PairGrid(df[['a', 'b']]); x.map(plt.scatter); plt.close('all')",
        "x.axes[0, 0].set_ylabel('new')",
        "[each.get_ylabel() for each in x.axes.flat]",
    ),
    seaborn(
        "sns.JointGrid",
        _FRAME + "x = sns.JointGrid(data=df, x='a', y='b'); x.plot_joint(plt.scatter); plt.close('all')",
        "x.set_axis_labels('p', 'q')",
        "(x.ax_joint.get_xlabel(), x.ax_joint.get_ylabel())",
    ),
    seaborn(
        "sns.objects.Plot",
        _FRAME + "import seaborn.objects as so; x = so.Plot(df, 'a', 'b').add(so.Dot())",
        "x = x.label(x='new')",
        "(len(x._layers), dict(x._labels))",
    ),
    seaborn(
        "sns heatmap (Axes)",
        _FRAME + "x = sns.heatmap(np.eye(3), annot=True); plt.close('all')",
        "x.set_title('h')",
        "(x.get_title(), [each.get_text() for each in x.texts])",
    ),
    seaborn(
        "sns.clustermap",
        _FRAME + "x = sns.clustermap(df[['a', 'b']]); plt.close('all')",
        "x.ax_heatmap.set_xlabel('new')",
        "(x.ax_heatmap.get_xlabel(), x.dendrogram_row.reordered_ind)",
        needs=("seaborn", "scipy"),
    ),
    seaborn(
        "sns.color_palette",
        "import seaborn as sns; x = sns.color_palette('husl', 4)",
        "x.append((0, 0, 0))",
        "(x.as_hex(), list(x))",
    ),
    plotly(
        "go.Figure",
        "import plotly.graph_objects as go; x = go.Figure(go.Scatter(y=[1, 3, 2]))",
        "x.update_layout(title='t')",
        "x.to_json()",
    ),
    plotly(
        "px figure",
        "import plotly.express as px, pandas as pd; x = px.bar(pd.DataFrame({'a': [1, 2], 'b': [3, 4]}), x='a', y='b')",
        "x.data[0].y = [9, 9]",
        "x.to_json()",
        needs=("plotly", "pandas"),
    ),
    plotly(
        "go.Scatter",
        "import plotly.graph_objects as go; x = go.Scatter(x=[1], y=[2])",
        "x.marker.color = 'red'",
        "x.to_plotly_json()",
    ),
    plotly(
        "go.Layout",
        "import plotly.graph_objects as go; x = go.Layout(title='t')",
        "x.xaxis.title = 'x'",
        "x.to_plotly_json()",
    ),
    plotly(
        "make_subplots",
        "from plotly.subplots import make_subplots; import plotly.graph_objects as go; x = make_subplots(1, 2); _ = x.add_trace(go.Bar(y=[1]), row=1, col=2)",
        "_ = x.add_trace(go.Bar(y=[2]), row=1, col=1)",
        "x.to_json()",
    ),
    plotly(
        "go.FigureWidget",
        "import plotly.graph_objects as go; x = go.FigureWidget(go.Scatter(y=[1]))",
        "x.update_layout(title='t')",
        "x.to_json()",
        described=False,
        needs=("plotly", "anywidget"),
    ),
    bokeh(
        "bokeh.figure",
        "from bokeh.plotting import figure; x = figure(title='t'); _ = x.line([1, 2], [3, 4])",
        "x.title.text = 'new'",
        "(x.title.text, len(x.renderers), x.renderers[0].data_source.data)",
    ),
    bokeh(
        "ColumnDataSource",
        "from bokeh.models import ColumnDataSource; x = ColumnDataSource({'a': [1, 2]})",
        "x.data['a'] = [5, 6]",
        "(x.data, x.id)",
    ),
    bokeh(
        "bokeh layout",
        "from bokeh.plotting import figure; from bokeh.layouts import row; x = row(figure(), figure())",
        "x.children[0].title.text = 'new'",
        "[each.title.text for each in x.children]",
    ),
    bokeh(
        "bokeh Document",
        "from bokeh.document import Document; from bokeh.models import Div; x = Document(); x.add_root(Div(text='a'))",
        "x.roots[0].text = 'b'",
        "[each.text for each in x.roots]",
    ),
    bokeh(
        "bokeh.models.Range1d", "from bokeh.models import Range1d; x = Range1d(0, 1)", "x.end = 7", "(x.start, x.end)"
    ),
    altair(
        "alt.Chart",
        "import altair as alt, pandas as pd; x = alt.Chart(pd.DataFrame({'a': [1, 2]})).mark_bar().encode(x='a')",
        "x.title = 't'",
        "x.to_json()",
    ),
    altair(
        "alt.LayerChart",
        "import altair as alt, pandas as pd; c = alt.Chart(pd.DataFrame({'a': [1, 2]})).encode(x='a'); x = c.mark_bar() + c.mark_rule()",
        "x = x.properties(width=77)",
        "x.to_json()",
    ),
    altair(
        "alt.selection parameter",
        "import altair as alt; x = alt.selection_point(fields=['a'], name='s')",
        "x = alt.selection_point(fields=['b'], name='s')",
        "(x.name, x.param.to_dict())",
    ),
    altair("alt.Scale", "import altair as alt; x = alt.Scale(domain=[0, 1])", "x.type = 'log'", "x.to_dict()"),
    ipywidgets(
        "ipywidgets.IntSlider", "import ipywidgets as w; x = w.IntSlider(value=3)", "x.value = 5", "(x.value, x.max)"
    ),
    ipywidgets(
        "ipywidgets.VBox",
        "import ipywidgets as w; x = w.VBox([w.Text('a'), w.Checkbox(True)])",
        "x.children[0].value = 'b'",
        "[each.value for each in x.children]",
    ),
    ipywidgets(
        "ipywidgets.interactive",
        "import ipywidgets as w; x = w.interactive(lambda n: n * 2, n=4)",
        "x.children[0].value = 7",
        "x.children[0].value",
    ),
    ipywidgets("ipywidgets.Output", "import ipywidgets as w; x = w.Output()", "x.append_stdout('text')", "x.outputs"),
    folium(
        "folium.Map",
        "import folium; x = folium.Map([1, 2]); _ = folium.Marker([1, 2]).add_to(x)",
        "_ = folium.Marker([3, 4]).add_to(x)",
        "x.get_root().render()",
    ),
    pydot(
        "pydot.Dot",
        "import pydot; x = pydot.Dot('g'); x.add_edge(pydot.Edge('a', 'b'))",
        "x.add_node(pydot.Node('c'))",
        "x.to_string()",
    ),
)
