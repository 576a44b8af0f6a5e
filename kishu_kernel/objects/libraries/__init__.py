"""One file for each library: all that is known of it. A new file is all that it takes (`objects/registry`)."""

LATE = frozenset(
    {
        *("PIL", "_cffi_backend", "catboost", "comm", "cv2", "dateutil", "ipykernel", "ipywidgets", "joblib", "keras"),
        *("lightgbm", "numba", "numexpr", "py4j", "pyarrow", "pytz", "scipy", "spacy", "sqlalchemy", "tensorflow"),
        *("tornado", "traitlets", "xgboost", "zmq"),
    }
)
"""Those that answer nothing but what is asked of classes: they are imported when that is first asked of any.

Whoever is not named here is imported with its library: it has state outside of variables, or current objects.
"""
