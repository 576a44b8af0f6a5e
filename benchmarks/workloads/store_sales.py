"""Time series analysis: daily sales of a grocer's stores, with statsmodels.

Like the paper's StoreSales: 41 cells, 122 MB of data, 665 s there; its fits are fewer and shorter here.
54 stores, 33 families of goods and 1,684 days are the original's shape. At small scales there are fewer
stores and families; the days stay, because the models are fitted to them.
"""

# %% parameters
SCALE = 1.0

# %%
import warnings

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_log_error
from statsmodels.tsa.deterministic import CalendarFourier, DeterministicProcess
from statsmodels.tsa.holtwinters import ExponentialSmoothing, SimpleExpSmoothing
from statsmodels.tsa.seasonal import STL
from statsmodels.tsa.stattools import acf, adfuller, pacf
from threadpoolctl import threadpool_limits

# %%
# Small matrices only: more threads would wait for each other
threadpool_limits(1)
warnings.filterwarnings("ignore")
plt.rcParams["figure.figsize"] = (11, 4)
pd.set_option("display.max_columns", 30)
SEED = 2017
rng = np.random.default_rng(SEED)

# %%
N_STORES = max(6, round(54 * SCALE**0.5))
N_FAMILIES = max(5, round(33 * SCALE**0.5))
days = pd.date_range("2013-01-01", periods=1684, freq="D")
families = np.array(
    [
        *("GROCERY I", "BEVERAGES", "PRODUCE", "CLEANING", "DAIRY", "BREAD/BAKERY", "POULTRY", "MEATS"),
        *("PERSONAL CARE", "DELI", "HOME CARE", "EGGS", "FROZEN FOODS", "PREPARED FOODS", "LIQUOR,WINE,BEER"),
        *("SEAFOOD", "GROCERY II", "HOME AND KITCHEN I", "HOME AND KITCHEN II", "CELEBRATION", "LINGERIE"),
        *("LADIESWEAR", "PLAYERS AND ELECTRONICS", "AUTOMOTIVE", "LAWN AND GARDEN", "PET SUPPLIES", "BEAUTY"),
        *("SCHOOL AND OFFICE SUPPLIES", "MAGAZINES", "HARDWARE", "HOME APPLIANCES", "BABY CARE", "BOOKS"),
    ]
)[:N_FAMILIES]
len(days) * N_STORES * N_FAMILIES

# %%
# The stores: a few clusters in a few cities
cities = ["Quito", "Guayaquil", "Cuenca", "Ambato", "Manta", "Machala", "Loja", "Salinas"]
stores = pd.DataFrame({"store_nbr": np.arange(1, N_STORES + 1)})
stores["city"] = rng.choice(cities, N_STORES, p=[0.34, 0.2, 0.1, 0.1, 0.08, 0.08, 0.05, 0.05])
stores["type"] = rng.choice(list("ABCDE"), N_STORES)
stores["cluster"] = rng.integers(1, 18, N_STORES)
stores["size"] = rng.lognormal(0.0, 0.5, N_STORES)
stores.head()

# %%
# Oil: a random walk, with the holes of the weekends
oil = pd.DataFrame({"date": days, "dcoilwtico": 93 + rng.normal(0, 1.1, len(days)).cumsum()})
oil.loc[oil["date"].dt.dayofweek >= 5, "dcoilwtico"] = np.nan
oil["dcoilwtico"].isna().mean()

# %%
holidays = pd.DataFrame({"date": rng.choice(days, 300, replace=False)}).sort_values("date", ignore_index=True)
holidays["type"] = rng.choice(["Holiday", "Event", "Additional", "Bridge"], 300, p=[0.6, 0.2, 0.15, 0.05])
holidays["locale"] = rng.choice(["National", "Regional", "Local"], 300, p=[0.5, 0.1, 0.4])
holidays["transferred"] = rng.random(300) < 0.04
holidays.head(8)


# %%
def simulate_sales(days, stores, families, rng):
    """One row for each day, store and family: level x trend x weekday x year, and noise."""
    t = np.arange(len(days), dtype="float32")
    weekday = np.array([0.95, 0.85, 0.88, 0.82, 0.95, 1.25, 1.30], dtype="float32")[days.dayofweek]
    year = 1 + 0.08 * np.sin(2 * np.pi * t / 365.25) + 0.35 * (days.month == 12)
    pattern = (weekday * year * (0.75 + t / 2600)).astype("float32")
    level = np.sort(rng.lognormal(3.2, 1.4, len(families)))[::-1].astype("float32")
    mean = pattern[:, None, None] * stores["size"].to_numpy("float32")[None, :, None] * level[None, None, :]
    noise = rng.standard_gamma(12.0, mean.shape, dtype="float32") / 12
    promoted = rng.poisson(0.6 + 2.2 * (t / len(t)), (len(families), len(stores), len(days))).T.astype("int16")
    return (mean * noise * (1 + np.float32(0.04) * promoted)).round(3), promoted


# %% long
sales, promoted = simulate_sales(days, stores, families, rng)
sales.shape, sales.nbytes / 1e6

# %%
train = pd.DataFrame(
    {
        "id": np.arange(sales.size, dtype="int32"),
        "date": np.repeat(days, N_STORES * N_FAMILIES),
        "store_nbr": np.tile(np.repeat(stores["store_nbr"].to_numpy("int16"), N_FAMILIES), len(days)),
        "family": pd.Categorical.from_codes(np.tile(np.arange(N_FAMILIES), len(days) * N_STORES), families),
        "sales": sales.ravel(),
        "onpromotion": promoted.ravel(),
    }
)
train.head()

# %%
# They are all in the frame now
del sales, promoted
train.info(memory_usage="deep")

# %%
train["sales"].describe()

# %%
# Transactions of each store and day
per_store = train.groupby(["date", "store_nbr"], observed=True)["sales"].sum().reset_index()
transactions = per_store.rename(columns={"sales": "transactions"})
baskets = transactions["transactions"] / 6 * rng.normal(1, 0.06, len(transactions))
transactions["transactions"] = baskets.astype("int32")
transactions.tail()

# %% undo
# The first days have no prices of oil; the other holes are filled between their neighbours
oil["dcoilwtico"] = oil["dcoilwtico"].interpolate(limit_direction="both")
oil["oil_change"] = oil["dcoilwtico"].diff().fillna(0.0)
oil.head(7)

# %%
pd.merge(per_store, transactions, on=["date", "store_nbr"])[["sales", "transactions"]].corr("spearman").loc["sales"]

# %% undo
fig_stores, ax = plt.subplots()
for _, rows in transactions.groupby("store_nbr"):
    ax.plot(rows["date"].to_numpy()[::7], rows["transactions"].to_numpy()[::7], lw=0.6)
ax.set(title="Transactions of the stores, every seventh day", ylabel="transactions")
fig_stores.tight_layout()

# %%
# Some stores opened late: they sold nothing before
opening = pd.Series(days[rng.integers(0, 500, N_STORES)], index=stores["store_nbr"])
opening[rng.permutation(N_STORES)[N_STORES // 3 :] + 1] = days[0]
opened = train["date"].to_numpy() >= opening.to_numpy()[train["store_nbr"].to_numpy() - 1]
opened.mean()

# %%
train.loc[~opened, ["sales", "onpromotion"]] = 0
zero = train.groupby(["store_nbr", "family"], observed=True)["sales"].agg(lambda s: (s == 0).mean())
zero.sort_values(ascending=False).head(5)

# %%
daily = train.groupby("date")["sales"].sum().astype("float64").asfreq("D")
daily.tail()

# %%
by_family = train.pivot_table(index="date", columns="family", values="sales", aggfunc="sum", observed=True)
growth = by_family.resample("YS").mean().pct_change().iloc[-1].sort_values()
growth.head(3), growth.tail(3)

# %%
fig_daily, axes = plt.subplots(2, 1, sharex=True, figsize=(11, 6))
daily.plot(ax=axes[0], lw=0.6, label="daily")
daily.rolling(365, center=True, min_periods=180).mean().plot(ax=axes[0], lw=2, label="year around")
axes[0].legend()
by_family.iloc[:, :5].rolling(28).mean().plot(ax=axes[1], lw=0.9)
fig_daily.tight_layout()

# %% deterministic
# Two features of the past: sales of 16 days ago, and the mean of the week before that
per_day = N_STORES * N_FAMILIES
lagged = train["sales"].to_numpy().reshape(len(days), per_day)
features = train[["id", "date", "store_nbr", "family"]].copy()
features["lag_16"] = np.vstack([np.full((16, per_day), np.nan, "float32"), lagged[:-16]]).ravel()
mean_7 = np.lib.stride_tricks.sliding_window_view(lagged, 7, axis=0).mean(axis=2)
features["mean_7"] = np.vstack([np.full((22, per_day), np.nan, "float32"), mean_7[:-16]]).ravel()
features.dropna().head(3)

# %%
features = features.drop(columns=["date", "store_nbr", "family"])
del lagged, mean_7

# %%
features["lag_16"].corr(train["sales"]), features["mean_7"].corr(train["sales"])

# %%
statistic, p_value, used, n, critical, _best = adfuller(daily, maxlag=21, autolag="AIC")
print(f"ADF {statistic:.3f}, p = {p_value:.3f}, {used} lags")
print({level: round(value, 2) for level, value in critical.items()})

# %%
change = daily.diff().dropna()
correlations = pd.DataFrame({"acf": acf(change, nlags=35), "pacf": pacf(change, nlags=35)})
correlations.iloc[[1, 7, 14, 21, 28]].round(3)

# %% long deterministic
decomposed = {}
for family in by_family.columns:
    parts = STL(by_family[family].astype("float64"), period=7, robust=SCALE > 0.1).fit()
    decomposed[family] = {"trend": parts.trend.to_numpy(), "seasonal": parts.seasonal.to_numpy()}
len(decomposed)

# %%
strength = pd.Series({f: np.var(d["seasonal"]) / np.var(by_family[f]) for f, d in decomposed.items()})
strength.sort_values(ascending=False).round(3).head()

# %% deterministic
# Trend, weekdays, and the year as a Fourier series; oil and holidays beside them
process = DeterministicProcess(
    index=daily.index,
    constant=True,
    order=1,
    seasonal=True,
    additional_terms=[CalendarFourier("YE", order=4)],
    drop=True,
)
X = process.in_sample()
X["oil"] = oil.set_index("date")["dcoilwtico"]
national = holidays[(holidays["locale"] == "National") & ~holidays["transferred"]]
X["holiday"] = X.index.isin(national["date"]).astype("float64")
X["promoted"] = train.groupby("date")["onpromotion"].sum()
X.shape

# %%
split = days[-112]
X_fit, X_valid = X[X.index < split], X[X.index >= split]
y_fit, y_valid = daily[daily.index < split], daily[daily.index >= split]
scores = {}


def rmsle(truth, forecast):
    return float(mean_squared_log_error(truth, np.clip(forecast, 0, None)) ** 0.5)


scores["last week"] = rmsle(y_valid, np.resize(y_fit[-7:], len(y_valid)))
scores

# %% fork deterministic
ols = sm.OLS(y_fit, X_fit).fit()
scores["OLS"] = rmsle(y_valid, ols.predict(X_valid))
print(ols.summary().tables[0])

# %%
ols.params.sort_values().tail(6)

# %% deterministic
smoothing = ExponentialSmoothing(y_fit, trend="add", damped_trend=True, seasonal="mul", seasonal_periods=7).fit()
scores["Holt-Winters"] = rmsle(y_valid, smoothing.forecast(len(y_valid)))
smoothing.params["smoothing_level"], scores

# %% long deterministic
orders = [(1, 0, 0), (0, 0, 1), (1, 0, 1), (2, 0, 1), (1, 0, 2)] if SCALE > 0.1 else [(1, 0, 0)]
aic = {}
last_year = y_fit[-350 if SCALE > 0.1 else -150 :] / 1e4
for order in orders:
    candidate = sm.tsa.SARIMAX(last_year, order=order, seasonal_order=(1, 1, 1, 7)).fit(disp=0, maxiter=50)
    aic[order] = candidate.aic
    print(order, round(candidate.aic, 1))
del candidate

# %% deterministic
best = min(aic, key=aic.get)
arima = sm.tsa.SARIMAX(last_year, order=best, seasonal_order=(1, 1, 1, 7)).fit(disp=0, maxiter=30)
arima.params.round(3)

# %%
arima_forecast = arima.forecast(len(y_valid)) * 1e4
scores["SARIMAX"] = rmsle(y_valid, arima_forecast)
best

# %% long deterministic
# Each store and its strongest families, smoothed on their own
forecasts = {}
recent = train[(train["date"] >= days[-200]) & train["family"].isin(families[:16])]
for (store, family), rows in recent.groupby(["store_nbr", "family"], observed=True):
    level = SimpleExpSmoothing(rows["sales"].to_numpy("float64")[:-16], initialization_method="estimated").fit()
    forecasts[store, family] = float(level.forecast(1)[0])
per_series = pd.Series(forecasts).rename_axis(["store_nbr", "family"])
per_series.groupby("family").mean().round(2)

# %% deterministic
# One ridge for all families at once, on the deterministic terms
ridge = Ridge(alpha=1.0).fit(X_fit, by_family.loc[X_fit.index])
ridge_forecast = pd.DataFrame(ridge.predict(X_valid), index=X_valid.index, columns=by_family.columns)
scores["ridge"] = rmsle(y_valid, ridge_forecast.sum(axis=1))

# %%
pd.Series(scores).sort_values().round(4)

# %%
fig_forecast, ax = plt.subplots()
daily[-200:].plot(ax=ax, color="0.5", label="sales")
lines = {"OLS": ols.predict(X_valid), "SARIMAX": arima_forecast, "ridge": ridge_forecast.sum(axis=1)}
for label, forecast in lines.items():
    forecast.plot(ax=ax, lw=1, label=label)
ax.legend()
fig_forecast.tight_layout()

# %%
# What would be handed in: the families' forecasts of the next 16 days, shared out among the stores
share = train[train["date"] >= days[-28]].groupby(["family", "store_nbr"], observed=True)["sales"].sum().unstack(0)
share = share / share.sum()
submission = (ridge_forecast[:16].stack().rename("total").reset_index()).merge(
    share.stack().rename("share").reset_index(), on="family"
)
submission["sales"] = submission["total"].clip(lower=0) * submission["share"]
submission = submission[["date", "store_nbr", "family", "sales"]].sort_values(["date", "store_nbr"], ignore_index=True)
submission.head()
