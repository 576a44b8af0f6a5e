"""Machine learning and statistics."""

from __future__ import annotations

from tests.matrix.entry import DISTRIBUTED, LEARNING, library

sklearn = library(LEARNING, "scikit-learn", "sklearn")
xgboost = library(LEARNING, "xgboost")
lightgbm = library(LEARNING, "lightgbm")
catboost = library(LEARNING, "catboost")
statsmodels = library(LEARNING, "statsmodels")
imblearn = library(LEARNING, "imbalanced-learn", "imblearn")
joblib = library(DISTRIBUTED, "joblib")

_DATA = "import numpy as np\nX = np.arange(40.0).reshape(20, 2) % 7; y = np.arange(20) % 2\n"


def _model(name: str, made: str, change: str, look: str = "x.predict(X).round(6).tolist()", target: str = "y"):  # type: ignore[no-untyped-def]
    module, _, kind = name.rpartition(".")
    return sklearn(
        name.replace("sklearn.", ""),
        f"{_DATA}from {module} import {kind}\nx = {kind}({made}).fit(X, {target})",
        change,
        look,
    )


ENTRIES = (
    _model("sklearn.linear_model.LinearRegression", "", "x.coef_[0] = 9"),
    _model("sklearn.linear_model.LogisticRegression", "", "x.coef_[0, 0] += 9"),
    _model("sklearn.linear_model.SGDClassifier", "random_state=0", "x.partial_fit(X, y)", "x.coef_.tolist()"),
    _model(
        "sklearn.ensemble.RandomForestClassifier",
        "5, random_state=0",
        "x.estimators_.pop()",
        "x.predict_proba(X).tolist()",
    ),
    _model(
        "sklearn.ensemble.GradientBoostingRegressor",
        "n_estimators=5, random_state=0",
        "x.set_params(n_estimators=7, warm_start=True).fit(X, y)",
    ),
    _model(
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "max_iter=5, random_state=0",
        "x._predictors[0][0].nodes['value'][0] = 3; x._predictors[0][0].nodes['value'] += 1",
        "x.decision_function(X).tolist()",
    ),
    _model(
        "sklearn.ensemble.IsolationForest",
        "n_estimators=5, random_state=0",
        "x.offset_ = 0.9",
        "x.score_samples(X).tolist()",
    ),
    _model("sklearn.tree.DecisionTreeClassifier", "random_state=0", "x.tree_.threshold[0] = 99"),
    _model("sklearn.svm.SVC", "probability=False", "x.C = 9; x.fit(X, y)", "(x.C, x.decision_function(X).tolist())"),
    _model("sklearn.svm.LinearSVC", "random_state=0", "x.intercept_ += 1", "x.decision_function(X).tolist()"),
    _model("sklearn.neighbors.KNeighborsClassifier", "3", "x.n_neighbors = 1", "x.predict_proba(X).tolist()"),
    _model("sklearn.neighbors.KernelDensity", "", "x.bandwidth_ = 0.2", "x.score_samples(X).tolist()"),
    _model("sklearn.naive_bayes.GaussianNB", "", "x.partial_fit(X[:5], y[:5])", "x.theta_.tolist()"),
    _model("sklearn.mixture.GaussianMixture", "2, random_state=0", "x.means_[0, 0] = 5", "x.predict_proba(X).tolist()"),
    _model(
        "sklearn.cluster.KMeans", "2, n_init=1, random_state=0", "x.cluster_centers_[0] = 0", "x.predict(X).tolist()"
    ),
    _model("sklearn.cluster.DBSCAN", "", "x.labels_[0] = 5", "x.labels_.tolist()"),
    _model("sklearn.cluster.AgglomerativeClustering", "", "x.labels_[:] = 0", "x.labels_.tolist()"),
    _model("sklearn.decomposition.PCA", "1", "x.components_ *= -1", "x.transform(X).tolist()"),
    _model(
        "sklearn.decomposition.NMF", "1, max_iter=20, random_state=0", "x.components_ *= 2", "x.components_.tolist()"
    ),
    _model(
        "sklearn.manifold.TSNE",
        "perplexity=3, max_iter=250, random_state=0",
        "x.embedding_[0, 0] = 1",
        "x.embedding_.tolist()",
    ),
    _model(
        "sklearn.neural_network.MLPClassifier",
        "(3,), max_iter=5, random_state=0",
        "x.coefs_[0][0, 0] = 5",
        "x.predict_proba(X).tolist()",
    ),
    _model("sklearn.gaussian_process.GaussianProcessRegressor", "", "x.alpha_ *= 2"),
    _model("sklearn.isotonic.IsotonicRegression", "", "x.y_thresholds_[0] = -3", "x.y_thresholds_.tolist()")
    if False
    else _model("sklearn.preprocessing.StandardScaler", "", "x.mean_[0] = 5", "x.transform(X).tolist()"),
    _model(
        "sklearn.preprocessing.OneHotEncoder",
        "",
        "x.handle_unknown = 'ignore'",
        "(x.transform(X).toarray().tolist(), x.handle_unknown)",
    ),
    _model("sklearn.impute.SimpleImputer", "", "x.statistics_[0] = 3", "x.statistics_.tolist()"),
    _model(
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
        "",
        "x.priors_[0] = 0.9; x.coef_ *= 2",
        "x.decision_function(X).tolist()",
    ),
    _model(
        "sklearn.calibration.CalibratedClassifierCV",
        "cv=2",
        "x.calibrated_classifiers_.pop()",
        "x.predict_proba(X).tolist()",
    ),
    sklearn(
        "feature_extraction.text.TfidfVectorizer",
        "from sklearn.feature_extraction.text import TfidfVectorizer; x = TfidfVectorizer().fit(['a cat', 'the dog ran'])",
        "x.vocabulary_['new'] = 0",
        "(x.vocabulary_, x.idf_.tolist())",
    ),
    sklearn(
        "feature_extraction.text.HashingVectorizer",
        "from sklearn.feature_extraction.text import HashingVectorizer; x = HashingVectorizer(n_features=8)",
        "x.n_features = 16",
        "x.transform(['cat dog']).toarray().tolist()",
    ),
    sklearn(
        "pipeline.Pipeline",
        _DATA
        + "from sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import MinMaxScaler\nfrom sklearn.linear_model import Ridge\nx = make_pipeline(MinMaxScaler(), Ridge()).fit(X, y)",
        "x[-1].coef_[0] = 4",
        "x.predict(X).tolist()",
    ),
    sklearn(
        "compose.ColumnTransformer",
        _DATA
        + "from sklearn.compose import ColumnTransformer\nfrom sklearn.preprocessing import FunctionTransformer\nx = ColumnTransformer([('f', FunctionTransformer(lambda v: v + 1), [0])]).fit(X)",
        "x.set_params(remainder='passthrough').fit(X)",
        "x.transform(X).tolist()",
    ),
    sklearn(
        "model_selection.GridSearchCV",
        _DATA
        + "from sklearn.model_selection import GridSearchCV\nfrom sklearn.neighbors import KNeighborsClassifier\nx = GridSearchCV(KNeighborsClassifier(), {'n_neighbors': [1, 3]}, cv=2).fit(X, y)",
        "x.best_estimator_.n_neighbors = 7",
        "(x.best_params_, x.predict(X).tolist())",
    ),
    sklearn(
        "model_selection.KFold",
        "from sklearn.model_selection import KFold; x = KFold(3, shuffle=True, random_state=1)",
        "x.n_splits = 4",
        "[test.tolist() for _, test in x.split(range(12))]",
    ),
    sklearn(
        "utils.Bunch",
        "from sklearn.datasets import load_iris; x = load_iris()",
        "x.data[0, 0] = -1",
        "(x.data.sum(), sorted(x))",
    ),
    xgboost(
        "xgb.XGBClassifier",
        _DATA + "import xgboost as xgb; x = xgb.XGBClassifier(n_estimators=3).fit(X, y)",
        "x.fit(X, 1 - y)",
        "x.predict_proba(X).tolist()",
    ),
    xgboost(
        "xgb.Booster",
        _DATA + "import xgboost as xgb; d = xgb.DMatrix(X, label=y); x = xgb.train({'max_depth': 2}, d, 3)",
        "x.update(d, 3)",
        "(x.num_boosted_rounds(), x.predict(xgb.DMatrix(X)).tolist())",
    ),
    xgboost(
        "xgb.DMatrix",
        _DATA + "import xgboost as xgb; x = xgb.DMatrix(X, label=y)",
        "x.set_label(1 - y)",
        "(x.get_label().tolist(), x.num_row())",
    ),
    lightgbm(
        "lgb.LGBMRegressor",
        _DATA
        + "import lightgbm as lgb; x = lgb.LGBMRegressor(n_estimators=3, min_child_samples=1, verbose=-1).fit(X, y)",
        "x.fit(X, 1 - y)",
        "x.predict(X).tolist()",
    ),
    lightgbm(
        "lgb.Booster",
        _DATA + "import lightgbm as lgb; x = lgb.train({'verbose': -1, 'min_data_in_leaf': 1}, lgb.Dataset(X, y), 3)",
        "x.set_leaf_output(0, 0, 9.0)",
        "x.predict(X).tolist()",
    ),
    lightgbm(
        "lgb.Dataset",
        _DATA
        + "import lightgbm as lgb; x = lgb.Dataset(X, y, params={'verbose': -1}, free_raw_data=False).construct()",
        "x.set_label(1 - y)",
        "(x.get_label().tolist(), x.num_data())",
    ),
    catboost(
        "CatBoostClassifier",
        _DATA
        + "from catboost import CatBoostClassifier; x = CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False).fit(X, y)",
        "_ = x.fit(X, 1 - y)",
        "x.predict_proba(X).tolist()",
    ),
    catboost(
        "catboost.Pool",
        _DATA + "from catboost import Pool; x = Pool(X, y)",
        "_ = x.set_weight([2.0] * 20)",
        "(x.get_weight(), x.get_label(), x.shape)",
    ),
    statsmodels(
        "OLS results",
        _DATA + "import statsmodels.api as sm; x = sm.OLS(y, sm.add_constant(X)).fit()",
        "x.params[0] = 9",
        "(x.params.tolist(), x.rsquared, x.predict([[1, 2, 3]]).tolist())",
    ),
    statsmodels(
        "formula results",
        "import statsmodels.formula.api as smf, pandas as pd; df = pd.DataFrame({'a': [1., 2, 3, 4], 'b': [1., 4, 9, 15]}); x = smf.ols('b ~ a + I(a ** 2)', df).fit()",
        "x.model.tag = 1",
        "(x.params.to_dict(), x.predict(df[:2]).tolist(), getattr(x.model, 'tag', None))",
    ),
    statsmodels(
        "GLM results",
        _DATA + "import statsmodels.api as sm; x = sm.GLM(y, X, family=sm.families.Binomial()).fit()",
        "x.params[0] = 2",
        "(x.params.tolist(), x.aic)",
    ),
    statsmodels(
        "ARIMA results",
        "import numpy as np; from statsmodels.tsa.arima.model import ARIMA; x = ARIMA(np.sin(np.arange(30.0)), order=(1, 0, 0)).fit()",
        "x.tag = 1",
        "(x.forecast(2).tolist(), getattr(x, 'tag', None))",
    ),
    statsmodels(
        "ExponentialSmoothing results",
        "import numpy as np; from statsmodels.tsa.api import ExponentialSmoothing; x = ExponentialSmoothing(np.arange(20.0) + 1, trend='add').fit()",
        "x.params['smoothing_level'] = 0.5",
        "(x.forecast(2).tolist(), x.params['smoothing_level'])",
    ),
    statsmodels(
        "DecomposeResult",
        "import numpy as np; from statsmodels.tsa.seasonal import seasonal_decompose; x = seasonal_decompose(np.arange(24.0) % 4, period=4)",
        "x.seasonal[0] = 9",
        "x.seasonal.tolist()",
    ),
    statsmodels(
        "ECDF", "from statsmodels.distributions import ECDF; x = ECDF([1, 2, 3])", "x.y[1] = 0.9", "float(x(1.5))"
    ),
    imblearn(
        "RandomOverSampler",
        _DATA
        + "from imblearn.over_sampling import RandomOverSampler; x = RandomOverSampler(random_state=0); _ = x.fit_resample(X[:15], y[:15])",
        "x.sample_indices_[0] = 3",
        "x.sample_indices_.tolist()",
    ),
    joblib(
        "joblib.Parallel",
        "from joblib import Parallel; x = Parallel(n_jobs=2, prefer='threads')",
        "x.n_jobs = 1",
        "(x.n_jobs, x([(abs, (-1,), {})]))",
    ),
    joblib(
        "joblib.Memory",
        "from joblib import Memory; x = Memory('cache', verbose=0)",
        "x._verbose = 1",
        "(x._verbose, x.location)",
    ),
    joblib(
        "joblib.MemorizedFunc",
        "from joblib import Memory\nmemory = Memory('cache', verbose=0)\n@memory.cache\ndef x(n):\n    return n * 2\nx(2)",
        "x.tag = 1",
        "(x(3), getattr(x, 'tag', None))",
    ),
)
