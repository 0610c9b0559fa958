# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From candles to a signal that can be trusted
#
# This notebook runs the whole pipeline, and stops at every point where one can fool oneself:
#
# 1. [Parameters](#1-Parameters)
# 2. [Candles, gaps and cleaning](#2-Candles,-gaps-and-cleaning)
# 3. [Features](#3-Features): the 17 classic ones, one of your own, and one that sees the future
# 4. [Labels and ties](#4-Labels-and-ties)
# 5. [The split and the folds](#5-The-split-and-the-folds)
# 6. [The choice of a model](#6-The-choice-of-a-model)
# 7. [Test scores](#7-Test-scores), with intervals, with ties and without
# 8. [Ranking, calibration, confusion](#8-Ranking,-calibration,-confusion)
# 9. [Money](#9-Money), before and after the fee
# 10. [The best that was possible](#10-The-best-that-was-possible)
# 11. [A market with nothing in it](#11-A-market-with-nothing-in-it)
# 12. [Exporting and predicting](#12-Exporting-and-predicting)
# 13. [What is not tested](#13-What-is-not-tested)
#
# It uses the package's public names only. As it stands it runs on a **simulated market**, so that it runs anywhere
# and always gives the same numbers. Every chart of that market says SYNTHETIC: no price in it was ever paid. One line
# in the next chapter switches to real candles.

# %% [markdown]
# ## 1 Parameters
#
# | parameter | meaning |
# |---|---|
# | `SOURCE` | `"sim:SEED"`; or `"binance"`; or a Parquet, CSV or zip file; or a folder of `SYMBOL-INTERVAL.parquet` |
# | `symbol`, `interval` | what to trade, by the exchange's names |
# | `lookback_candles` | how many of the newest closed candles to use, warm-up included |
# | `max_age_minutes` | how old the newest stored candle may be before the exchange is asked again |

# %% tags=["parameters"]
SOURCE = "sim:7"  # the simulated market of seed 7; "binance" for real candles, no key is needed
symbol = "BTCUSDT"
interval = "1m"
lookback_candles = 50_000
max_age_minutes = 30
seed = 7

# %%
import json
import shutil
import tempfile
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import joblib
import numpy as np
import plotly.graph_objects as go
import polars as pl
from IPython.display import display
from plotly.subplots import make_subplots

import mlsignal as ml
from mlsignal.sim import Market

# %% [markdown]
# The next cell is about drawing only. Each chart is shown twice in one output: as a plotly figure, which JupyterLab and
# VS Code draw and let you zoom, and as a picture for everything else (a rendered notebook, a machine that is offline).
# Nothing is loaded from the network.

# %% jupyter={"source_hidden": true}
pl.Config.set_tbl_hide_dataframe_shape(True).set_tbl_hide_column_data_types(True)
pl.Config.set_float_precision(4).set_tbl_rows(40).set_fmt_str_lengths(60)
BLUE, ORANGE, GREY, GREEN, RED = "#2563a8", "#d9772b", "#8b929a", "#2f8f5b", "#b8382f"
LABEL = "SYNTHETIC: " if SOURCE.startswith("sim") else ""
DASHES = {"dash": "5 4", "dot": "2 3"}
FONT = {"family": "Helvetica, Arial, sans-serif", "size": 12, "color": "#22272e"}


def layout(figure, title, height=340, **more):
    """Give a figure its title and the look of this notebook."""
    plain = {"plot_bgcolor": "white", "paper_bgcolor": "white", "font": FONT, "template": "none", "width": 900}
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"}
    titled = {"text": LABEL + title, "x": 0.01, "y": 0.97, "yanchor": "top", "font": {"size": 14}}
    margin = {"l": 70, "r": 20, "t": 70, "b": 50}
    figure.update_layout(**{**plain, "legend": legend, "title": titled, "height": height, "margin": margin, **more})
    axis = {"gridcolor": "#e8eaed", "zeroline": False, "linecolor": "#8b929a", "ticks": "outside", "automargin": True}
    return figure.update_xaxes(**axis).update_yaxes(**axis)


def line(x, y, name=None, color=BLUE, dash=None, width=1.4, **more):
    """Return a line; without a name it has no place in the legend."""
    style = {"color": color, "dash": dash, "width": width}
    return go.Scatter(x=x, y=y, name=name, mode="lines", line=style, showlegend=name is not None, **more)


def dots(x, y, name=None, color=BLUE, low=None, high=None, along="x"):
    """Return points, with intervals from `low` to `high` along one axis."""
    style = {"color": color, "size": 8}
    centre = np.asarray(x if along == "x" else y, dtype=float)
    bars = {}
    if low is not None:
        ends = {"array": np.asarray(high) - centre, "arrayminus": centre - np.asarray(low)}
        bars = {f"error_{along}": {"type": "data", "symmetric": False, "color": color, "thickness": 1.4, **ends}}
    return go.Scatter(x=x, y=y, name=name, mode="markers", marker=style, showlegend=name is not None, **bars)


def show(figure):
    """Display a plotly figure, with a picture of it for viewers that do not run plotly."""
    bundle = {"application/vnd.plotly.v1+json": json.loads(figure.to_json()), "image/svg+xml": picture(figure)}
    display({**bundle, "text/plain": figure.layout.title.text}, raw=True)


def picture(figure):
    """Draw the kinds of traces that this notebook uses as SVG."""
    asked, groups = figure.layout, {}
    for trace in figure.data:
        groups.setdefault((trace.xaxis or "x", trace.yaxis or "y"), []).append(trace)
    words = [word for trace in figure.data for word in (() if trace.y is None else trace.y) if isinstance(word, str)]
    words += [part for axis in figure.select_yaxes() for word in axis.ticktext or () for part in word.split("<br>")]
    left = max(70, 30 + 6.2 * max(map(len, words), default=0))
    box = (left, 52, asked.width - 16, asked.height - 46)
    drawn = [part for keys, traces in groups.items() for part in _panel(asked, keys, traces, box)]
    title = _text(10, 20, asked.title.text, "start", 'font-size="14" font-weight="bold"')
    size = f'viewBox="0 0 {asked.width} {asked.height}" width="{asked.width}" height="{asked.height}"'
    style = 'font-family="Helvetica, Arial, sans-serif" font-size="11" fill="#22272e"'
    inside = ['<rect width="100%" height="100%" fill="white"/>', title, *_legend(figure, box[2]), *drawn]
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>' + "".join(inside) + "</svg>"


class Scale:
    """Places the values of one axis, numbers, times or words, on pixels."""

    def __init__(self, axis, columns, first, last):
        values = [value for column in columns for value in column]
        self.axis, self.first, self.last = axis, first, last
        self.names = list(dict.fromkeys(value for value in values if isinstance(value, str)))
        self.is_time = any(isinstance(value, datetime) for value in values)
        if self.names:
            self.low, self.high = -0.5, len(self.names) - 0.5
        elif axis.range:
            self.low, self.high = axis.range
        else:
            known = self.numbers(values)
            margin = 0.03 * (np.nanmax(known) - np.nanmin(known))
            self.low, self.high = np.nanmin(known) - margin, np.nanmax(known) + margin
        if axis.autorange == "reversed":
            self.low, self.high = self.high, self.low

    def numbers(self, column):
        """Return what stands for the values of a column."""
        if self.names:
            return np.array([float(self.names.index(value)) if value in self.names else value for value in column])
        return np.array([value.timestamp() if isinstance(value, datetime) else float(value) for value in column])

    def __call__(self, column):
        """Return the pixels of a column."""
        return self.first + (self.numbers(column) - self.low) / (self.high - self.low) * (self.last - self.first)

    def ticks(self):
        """Return pixels and labels."""
        if self.names or self.axis.ticktext:
            labels = self.axis.ticktext or self.names
            return list(zip(self(self.axis.tickvals or self.names), labels, strict=True))
        room = 80 if self.last > self.first else 32  # pixels that a label takes, across or down
        span, wanted = self.high - self.low, max(2, abs(self.last - self.first) / room)
        if self.is_time:
            step = 86_400 * next(
                days for days in (1, 2, 4, 7, 14, 30, 90, 365, 3_650) if span / 86_400 / days <= wanted
            )
        else:
            size = 10.0 ** np.floor(np.log10(span / wanted))
            step = size * next(k for k in (1, 2, 5, 10) if span / (size * k) <= wanted)
        places = (
            np.arange(np.ceil(min(self.low, self.high) / step), max(self.low, self.high) / step + 1e-9) * step + 0.0
        )
        pixels = self.first + (places - self.low) / span * (self.last - self.first)
        decimals = 0 if self.is_time else max(0, -int(np.floor(np.log10(step) + 1e-9)))
        told = [f"{datetime.fromtimestamp(v, UTC):%d %b}" if self.is_time else f"{v:,.{decimals}f}" for v in places]
        return list(zip(pixels, told, strict=True))


def _panel(asked, keys, traces, box):
    x_axis, y_axis = (asked[key[0] + "axis" + key[1:]] for key in keys)
    (x0, x1), (y0, y1) = (axis.domain or (0, 1) for axis in (x_axis, y_axis))
    left, right = (box[0] + share * (box[2] - box[0]) for share in (x0, x1))
    top, bottom = (box[3] - share * (box[3] - box[1]) for share in (y1, y0))
    x = Scale(x_axis, [column for trace in traces for column in _reach(trace, "x")], left, right)
    y = Scale(y_axis, [column for trace in traces for column in _reach(trace, "y")], bottom, top)
    grid = 'stroke="#e8eaed"'
    for place, label in x.ticks():
        yield _stroke(place, top, place, bottom, grid)
        if x_axis.showticklabels is not False:
            yield _text(place, bottom + 15, label, "middle")
    for place, label in y.ticks():
        yield _stroke(left, place, right, place, grid)
        if y_axis.showticklabels is not False:
            lines = label.split("<br>")
            yield from (
                _text(left - 6, place + 4 + 12 * (k - (len(lines) - 1) / 2), part, "end")
                for k, part in enumerate(lines)
            )
    for trace in traces:
        yield from _marks(trace, x, y)
    yield _stroke(left, bottom, right, bottom, f'stroke="{GREY}"') + _stroke(
        left, top, left, bottom, f'stroke="{GREY}"'
    )
    yield _text((left + right) / 2, bottom + 34, x_axis.title.text or "", "middle")
    turn = f'transform="rotate(-90 14 {(top + bottom) / 2:.1f})"'
    if y_axis.title.text:
        turn = turn if x0 == 0 else f'transform="rotate(-90 {left - 46:.1f} {(top + bottom) / 2:.1f})"'
        yield _text(14 if x0 == 0 else left - 46, (top + bottom) / 2, y_axis.title.text, "middle", turn)


def _reach(trace, along):
    """Return the columns of a trace that an axis must hold."""
    column = trace[along]
    if trace.type == "bar" and along == ("x" if trace.orientation == "h" else "y"):
        base = np.zeros(len(column)) if trace.base is None else np.asarray(trace.base)
        return [base, base + np.asarray(column)]
    error = None if trace.type != "scatter" else trace[f"error_{along}"]
    if error is not None and error.array is not None:
        return [np.asarray(column) + error.array, np.asarray(column) - error.arrayminus]
    return [column]


def _marks(trace, x, y):
    if trace.type == "heatmap":
        across, down = (abs(scale.last - scale.first) / len(scale.names) for scale in (x, y))
        for (row, column), value in np.ndenumerate(np.asarray(trace.z, dtype=float)):
            place = (x([trace.x[column]])[0], y([trace.y[row]])[0])
            shade = f'fill="{BLUE}" opacity="{0.6 * value / np.max(trace.z):.2f}"'
            yield _rectangle(place[0] - across / 2, place[1] - down / 2, across, down, shade)
            yield _text(place[0], place[1] + 4, f"{value:,.0f}", "middle")
    elif trace.type == "bar":
        flat = trace.orientation == "h"
        along, other = (x, y) if flat else (y, x)
        starts, ends = (along(column) for column in _reach(trace, "x" if flat else "y"))
        thick = 0.75 * abs(other.last - other.first) / len(other.names)
        for start, end, middle in zip(starts, ends, other(trace.y if flat else trace.x), strict=True):
            low, long = min(start, end), abs(end - start)
            sides = (low, middle - thick / 2, long, thick) if flat else (middle - thick / 2, low, thick, long)
            yield _rectangle(*sides, f'fill="{trace.marker.color}"')
    elif trace.mode == "lines":
        points = [f"{px:.1f},{py:.1f}" for px, py in zip(x(trace.x), y(trace.y), strict=True) if np.isfinite(px + py)]
        dash = f'stroke-dasharray="{DASHES[trace.line.dash]}"' if trace.line.dash in DASHES else ""
        look = f'fill="none" stroke="{trace.line.color}" stroke-width="{trace.line.width}" {dash}'
        yield f'<polyline points="{" ".join(points)}" {look}/>'
    else:
        for along, other in (("x", "y"), ("y", "x")):
            if trace[f"error_{along}"].array is not None:
                low, high = (({"x": x, "y": y}[along])(column) for column in _reach(trace, along)[::-1])
                still = ({"x": x, "y": y}[other])(trace[other])
                for a, b, c in zip(low, high, still, strict=True):
                    ends = (a, c, b, c) if along == "x" else (c, a, c, b)
                    yield _stroke(*ends, f'stroke="{trace.marker.color}" stroke-width="1.4"')
        for px, py in zip(x(trace.x), y(trace.y), strict=True):
            yield f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.6" fill="{trace.marker.color}"/>'


def _legend(figure, right):
    named = [trace for trace in figure.data if trace.name and trace.showlegend is not False]
    for trace in reversed(named):
        color = trace.line.color if trace.type == "scatter" and trace.mode == "lines" else trace.marker.color
        yield _text(right, 42, trace.name, "end")
        right -= 5.6 * len(trace.name) + 14
        yield _rectangle(right, 36, 10, 4, f'fill="{color}"')
        right -= 12


def _text(x, y, text, anchor, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _stroke(x1, y1, x2, y2, more):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {more}/>'


def _rectangle(x, y, width, height, more):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {more}/>'


# %% [markdown]
# ## 2 Candles, gaps and cleaning
#
# `gather_candles` fetches what is missing, checks it, and returns `Candles` with a report. Candles of `"binance"` come
# over REST and are kept in the store.

# %%
work = Path(tempfile.mkdtemp(prefix="signal-"))
asked = {"source": SOURCE, "symbol": symbol, "interval": interval}
asked |= {"lookback_candles": lookback_candles, "max_age_minutes": max_age_minutes}
settings = ml.load_settings(asked)

gathered = ml.gather_candles(settings)
candles = gathered.candles
print(candles)
print("from:", gathered.source)
print(gathered.cleaning.summary())

# %%
frame = candles.to_polars()
thin = frame.gather_every(max(1, len(frame) // 700))
figure = go.Figure(line(thin["open_time"].to_list(), thin["close"].to_numpy()))
show(layout(figure, f"{symbol} {interval}: close").update_yaxes(title="USDT").update_xaxes(title="open time, UTC"))

# %% [markdown]
# Every candle lies on a regular grid of times. What is absent stays absent: a **gap** is recorded, never filled.
# Real data have outages, repeated rows and impossible prices, and these candles have none. So here is a damaged copy.

# %%
damaged = frame.drop("close_time").head(2_000)
damaged = pl.concat(
    [
        damaged[:600],
        damaged[660:1_200],  # an outage of an hour
        damaged[1_195:1_200],  # a page that came twice
        damaged[1_200:1_500].with_columns(low=pl.when(pl.int_range(pl.len()) == 40).then("high").otherwise("low")),
        damaged[1_510:],  # ten more are missing here
        damaged[1_500:1_505].with_columns(pl.col("volume") * 1.5),  # five of the ten come late, with another volume
    ]
)
repaired, report = ml.clean(damaged, symbol, interval)
print(report.summary())
for gap in repaired.gaps:
    print(f"gap: {gap.missing:>3} candles, {gap.first_missing:%Y-%m-%d %H:%M} to {gap.last_missing:%H:%M} UTC")
report.rejected.select("open_time", "open", "high", "low", "close", "reason")

# %% [markdown]
# The impossible candle was set apart, which made a gap of one; nobody invented a price for it.

# %% [markdown]
# ## 3 Features
#
# A feature is a function of the last `lookback` candles, the current one included. It is known at the candle's
# `close_time`, and stamped so. Two consequences:
#
# * the first `lookback - 1` rows of every stretch without a gap are NaN, the **warm-up**;
# * a live process that holds `lookback` candles computes the very same number.
#
# RSI, ATR and MACD are recursive in the textbook, and remember everything. Here their memory ends after 250 candles
# (330 for the MACD's signal line). What they forget has a weight of about 1e-8.

# %%
classic = ml.select_features(["classic"])
features = ml.compute_features(candles, classic)
rows = [
    {"feature": output, "lookback": memory, "NaN in warm-up": int(np.isnan(features.column(output)).sum())}
    for item in classic
    for output, memory in item.lookbacks.items()
]
pl.DataFrame(rows)

# %%
groups = {
    "price": ["prev_close", "ma10", "ma50"],
    "return": ["return_1", "return_5", "return_15"],
    "shape": ["high_low", "open_close"],
    "RSI": ["rsi14"],
    "ATR": ["atr14"],
    "band width": ["bollinger_width"],
    "%B": ["bollinger_percent_b"],
    "MACD": ["macd", "macd_signal", "macd_histogram"],
    "volume": ["volume"],
    "log volume": ["log_volume"],
}
figure = make_subplots(rows=len(groups), cols=1, shared_xaxes=True, vertical_spacing=0.012)
window = slice(0, 480)
numbers = np.arange(480, dtype=np.int16)
for row, (title, names) in enumerate(groups.items(), start=1):
    for name, color in zip(names, (BLUE, ORANGE, GREY), strict=False):
        figure.add_trace(
            line(numbers, features.column(name)[window].astype(np.float32), color=color, width=1.0), row, 1
        )
    figure.update_yaxes(title=title, row=row, col=1)
layout(figure, "the 17 classic features over the first 480 candles; lines begin after the warm-up", height=1050)
figure.update_xaxes(range=[0, 480]).update_xaxes(title="candle", row=len(groups), col=1)
show(figure)

# %% [markdown]
# Colours within a panel: blue, orange, grey in the order of the table (`prev_close`, `ma10`, `ma50`; returns over 1, 5
# and 15; `high_low`, `open_close`; `macd`, its signal, its histogram).
#
# A gap costs a warm-up. In the damaged copy above, 2,000 minutes keep this many whole rows:

# %%
repaired_features = ml.compute_features(repaired, classic)
whole_rows = int(np.isfinite(repaired_features.values).all(axis=1).sum())
stretches = ", ".join(str(stop - start) for start, stop in repaired.segment_bounds)
print(f"{len(repaired)} candles in stretches of {stretches}: {whole_rows} rows have all 17 features")

# %% [markdown]
# ### A feature of one's own
#
# Decorate a function of candles, and declare its memory. `lookback=21`: twenty returns need twenty-one closes.


# %%
@ml.feature(lookback=21)
def trend_strength(candles):
    """Return the sum of the last 20 log returns over the sum of their sizes, -1 to 1."""
    steps = np.diff(np.log(candles.close), prepend=np.nan)
    window = np.lib.stride_tricks.sliding_window_view(steps, 20)
    moved, gone = window.sum(axis=1), np.abs(window).sum(axis=1)
    ratio = np.divide(moved, gone, out=np.zeros_like(moved), where=gone > 0)
    return np.concatenate([np.full(19, np.nan), ratio])


strength = ml.compute_features(candles, [trend_strength])
pl.DataFrame({"close_time": frame["close_time"], "trend_strength": strength.values[:, 0]})[18:24]

# %% [markdown]
# ### A feature that sees the future
#
# The most expensive mistake in this field is a feature that knows what it cannot know. It is also easy to catch. What
# is known at candle t must not change when later candles arrive, nor when those older than the declared memory go. So
# recompute on a prefix, and on the last `lookback` candles alone, and compare.


# %%
def first_difference(item, candles, checks=200):
    """Return where a feature's value depends on more than its last `lookback` candles, or None."""
    whole = ml.compute_features(candles, [item]).values
    for t in np.linspace(item.lookback, len(candles) - 2, checks).astype(int):
        for name, start in (("prefix", 0), ("memory", t - item.lookback + 1)):
            again = ml.compute_features(candles[start : t + 1], [item]).values[-1]
            if not np.allclose(again, whole[t], rtol=1e-9, atol=1e-9, equal_nan=True):
                return f"differs on the {name} that ends at candle {t}: {again[0]:.6f}, was {whole[t, 0]:.6f}"
    return None


@ml.feature(lookback=5)
def smooth_return(candles):
    """Average five returns, centred: two of them have not happened yet."""
    steps = np.diff(np.log(candles.close), prepend=np.nan)
    return np.convolve(np.nan_to_num(steps), np.ones(5) / 5, mode="same")


@ml.feature(lookback=2)
def scaled_return(candles):
    """Divide by the standard deviation of all candles given, future ones included."""
    steps = np.diff(np.log(candles.close), prepend=np.nan)
    return steps / np.nanstd(steps)


short = candles[:3_000]
for item in (trend_strength, smooth_return, scaled_return, *classic):
    found = first_difference(item, short)
    print(f"{item.name:<16} {'ok' if found is None else 'CAUGHT: ' + found}")

# %% [markdown]
# And this is what such a feature would have "earned". The run below uses `smooth_return` alone, from a file:

# %%
feature_file = work / "smooth.py"
feature_file.write_text(
    """import numpy as np
from mlsignal import feature


@feature(lookback=5)
def smooth_return(candles):
    steps = np.diff(np.log(candles.close), prepend=np.nan)
    return np.convolve(np.nan_to_num(steps), np.ones(5) / 5, mode="same")
"""
)
peeking = ml.run(
    **{**asked, "lookback_candles": 10_000}, feature_file=feature_file, models="logistic_regression", engine="plain"
)
print(peeking.evaluation.metrics["verdict"]["text"])

# %% [markdown]
# The verdict opens with a warning: nobody foresees minutes that well. Above 60 % suspect a leak before you believe.

# %% [markdown]
# ## 4 Labels and ties
#
# The label of candle t says whether the close of candle t+1 is above that of candle t. A label never spans a gap, and
# the last candle has none. Where the two closes are equal, the row is a **tie**: neither up nor down. In training a tie
# counts as "not up" (`ties="drop"` leaves ties out). Every score is given with ties and without.

# %%
labels = ml.direction_labels(candles)
ups, ties = labels.up[labels.known].mean(), labels.tie[labels.known].mean()
print(f"up {ups:.2%}, down {1 - ups - ties:.2%}, tie {ties:.2%} of {labels.known.sum():,} labels")

# %% [markdown]
# Why apart? Prices move in ticks. In quiet minutes a tie is likely, and quiet minutes can be foreseen. A model that
# says "not up" when the market is quiet is right about ties, and no one can trade on that.

# %%
dataset = ml.build_dataset(features, labels)
calm = dataset.X[:, dataset.feature_names.index("atr14")] / candles.close[dataset.position]
tenth = np.argsort(np.argsort(calm)) * 10 // len(calm)
share = [dataset.tie[tenth == k].mean() for k in range(10)]
figure = go.Figure(go.Bar(x=[str(k + 1) for k in range(10)], y=share, marker={"color": BLUE}))
layout(figure, "share of ties by tenth of volatility (ATR over price, calmest first)", height=300, margin={"t": 50})
show(figure.update_xaxes(title="tenth").update_yaxes(title="share of ties", rangemode="tozero"))

# %% [markdown]
# ## 5 The split and the folds
#
# One call does the rest. The newest fifth of the rows is the test; the model is chosen on the older four fifths, by
# ten folds in time: each learns from all that came before it. Rows whose label looks into the rows tested on are
# **purged**. Scaling and outlier fences are fitted on training rows only, anew in each fold.

# %%
result = ml.run(work / "run", **asked, seed=seed, engine="plain")
metrics, predictions = result.evaluation.metrics, result.evaluation.predictions
keys = ("candles", "rows", "train_rows", "purged_rows", "test_rows", "train_end", "test_start", "up_share", "tie_share")
for key in keys:
    print(f"{key:<12} {metrics['data'][key]}")
print(f"{'outliers':<12} {metrics['data']['outlier_share']}")

# %%
spans = (
    predictions.filter(pl.col("model") == metrics["selected"])
    .group_by("fold", maintain_order=True)
    .agg(pl.col("open_time").min().alias("first"), pl.col("open_time").max().alias("last"))
)
position = {time: number for number, time in enumerate(frame["open_time"])}
first_row = int(dataset.position[0])
figure = go.Figure()
firsts = [position[time] for time in spans["first"]]
lasts = [position[time] + 1 for time in spans["last"]]
sizes = [last - first for first, last in zip(firsts, lasts, strict=True)]
trained = [first - first_row for first in firsts]
bars = {"orientation": "h", "y": spans["fold"].to_list()}
figure.add_trace(go.Bar(x=trained, base=[first_row] * len(firsts), name="learns from", marker={"color": GREY}, **bars))
figure.add_trace(go.Bar(x=sizes, base=firsts, name="is scored on", marker={"color": ORANGE}, **bars))
layout(
    figure,
    "ten folds, and the test",
    height=330,
    barmode="overlay",
    yaxis={"autorange": "reversed", "type": "category"},
)
show(figure.update_xaxes(title="candle").update_yaxes(title="fold"))

# %% [markdown]
# ## 6 The choice of a model
#
# A scaled logistic regression and a forest of shallow trees, both with balanced class weights. The best mean F1 of
# "up" over the folds wins.

# %%
print("mean over the ten folds; selected:", metrics["selected"])
means = {
    name: {score: told["mean"] for score, told in scores["cv"].items()} for name, scores in metrics["models"].items()
}
spread = {name: scores["cv"]["f1_up"]["std"] for name, scores in metrics["models"].items()}
columns = ("f1_up", "accuracy", "roc_auc", "log_loss")
pl.DataFrame(
    [
        {"model": name, "f1_up, std over folds": spread[name]} | {score: mean[score] for score in columns}
        for name, mean in means.items()
    ]
)

# %%
figure = go.Figure()
for (name, scores), color in zip(metrics["models"].items(), (BLUE, ORANGE), strict=False):
    values = scores["cv"]["f1_up"]["folds"]
    figure.add_trace(line(list(range(1, len(values) + 1)), values, name.replace("_", " "), color))
always_up = metrics["baselines"]["always_up"]["f1_up"]
figure.add_trace(line([1, 10], [always_up] * 2, "always up (test rows)", RED, "dash"))
show(layout(figure, "F1(Up) by fold", height=300).update_xaxes(title="fold").update_yaxes(title="F1(Up)"))

# %% [markdown]
# The red line is the reason not to trust F1(Up) alone. The rule "always up", which knows nothing, beats both models by
# it. The score stays the default, to keep results comparable; `select_by` takes any other. No claim rests on it.

# %% [markdown]
# ## 7 Test scores
#
# Four baselines stand beside the models: always up; the more frequent class of the training rows; the direction of the
# last candle; and its opposite. `accuracy*` and `AUC*` leave ties out.


# %%
def scores_row(name, scores):
    """Return the scores of one model or baseline on the test rows."""
    apart = scores["without_ties"]
    return {
        "": name,
        "F1(Up)": scores["f1_up"],
        "accuracy": scores["accuracy"],
        "AUC": scores["roc_auc"],
        "log loss": scores["log_loss"],
        "accuracy*": apart["accuracy"],
        "AUC*": apart["roc_auc"],
        "confident tenth*": scores["top_decile"]["accuracy_without_ties"],
    }


models = {name: scores["test"] for name, scores in metrics["models"].items()}
pl.DataFrame([scores_row(name, scores) for name, scores in (models | metrics["baselines"]).items()])

# %%
names = list(models)
figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04)
for column, score in enumerate(("accuracy", "roc_auc"), start=1):
    for shift, color, told, pick in (
        (-0.12, BLUE, "with ties", lambda test: test),
        (0.12, ORANGE, "without ties", lambda test: test["without_ties"]),
    ):
        picked = [pick(models[name]) for name in names]
        x = [scores[score] for scores in picked]
        low, high = zip(*(scores["ci"][score] for scores in picked), strict=True)
        y = np.arange(len(names)) + shift
        figure.add_trace(dots(x, y, told if column == 2 else None, color, low, high), 1, column)
    figure.add_trace(line([0.5, 0.5], [-0.5, len(names) - 0.5], color=GREY, dash="dash"), 1, column)
    figure.update_xaxes(title={"accuracy": "accuracy", "roc_auc": "AUC"}[score], row=1, col=column)
layout(figure, "test scores with 95 % intervals; the dashed line is a coin", height=280)
ticks = {"tickvals": list(range(len(names))), "ticktext": [name.replace("_", " ") for name in names]}
show(figure.update_yaxes(range=[-0.5, len(names) - 0.5], **ticks))

# %% [markdown]
# The intervals take rows as independent. Neighbouring candles are not quite independent, so the true ones may be wider.
#
# In words, as the command line and the report print it:

# %%
print(LABEL + metrics["verdict"]["text"])

# %% [markdown]
# ## 8 Ranking, calibration, confusion
#
# All three for the selected model, on the test candles that moved.

# %%
tested = predictions.filter((pl.col("fold") == "test") & (pl.col("model") == metrics["selected"]))
moved = tested.filter(~pl.col("tie"))
y, p_up = moved["label"].to_numpy(), moved["p_up"].to_numpy()

order = np.argsort(-p_up, kind="stable")
hits = np.append(0, np.cumsum(y[order])) / y.sum()
alarms = np.append(0, np.cumsum(1 - y[order])) / (1 - y).sum()
step = slice(None, None, max(1, len(hits) // 300))

edges = np.quantile(p_up, np.linspace(0, 1, 11))
tenth = np.clip(np.searchsorted(edges, p_up, side="right") - 1, 0, 9)
said = np.array([p_up[tenth == k].mean() for k in range(10)])
came = np.array([y[tenth == k].mean() for k in range(10)])
reach = 1.96 * np.sqrt(came * (1 - came) / np.bincount(tenth, minlength=10))

figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
figure.add_trace(line(alarms[step], hits[step]), 1, 1)
figure.add_trace(line([0, 1], [0, 1], color=GREY, dash="dash"), 1, 1)
figure.update_xaxes(title="share of downs called up", row=1, col=1)
figure.update_yaxes(title="share of ups called up", row=1, col=1)
figure.add_trace(dots(said, came, None, BLUE, came - reach, came + reach, along="y"), 1, 2)
ends = [min(said.min(), came.min()), max(said.max(), came.max())]
figure.add_trace(line(ends, ends, color=GREY, dash="dash"), 1, 2)
figure.update_xaxes(title="probability of up, by tenths", row=1, col=2)
figure.update_yaxes(title="share that went up", row=1, col=2)
show(layout(figure, f"ROC and calibration, {metrics['selected'].replace('_', ' ')}", height=400, margin={"t": 50}))

# %%
counts = [[int((((p_up > 0.5) == call) & (y == truth)).sum()) for call in (False, True)] for truth in (0, 1)]
heat = {"z": counts, "x": ["called down", "called up"], "y": ["went down", "went up"], "colorscale": "Blues"}
figure = go.Figure(go.Heatmap(**heat, showscale=False, texttemplate="%{z:,}", zmin=0, zmax=np.max(counts) * 1.4))
show(layout(figure, "confusion, counts of test candles", height=260, width=520, margin={"t": 50}))

# %% [markdown]
# What the model leans on: how far its AUC* falls when one feature is shuffled between rows. Features that tell the same
# story share their importance.

# %%
leaning = result.evaluation.importances[:10][::-1]
falls, spread = (np.array([getattr(item, part) for item in leaning]) for part in ("mean", "std"))
figure = go.Figure(dots(falls, [item.feature for item in leaning], None, BLUE, falls - spread, falls + spread))
layout(figure, "fall of AUC* when a feature is shuffled (± one standard deviation of 3 shuffles)", height=330)
show(figure.update_xaxes(title="fall of AUC*"))

# %% [markdown]
# ## 9 Money
#
# Long while P(up) is above one half, short below, filled at the **next** open, 10 basis points a side. No spread, no
# slippage, no funding: the net curve is still too kind.

# %%
equity = result.evaluation.equity
thin = equity.gather_every(max(1, len(equity) // 400))
times = thin["time"].to_list()
figure = go.Figure()
for name, color in (("gross", BLUE), ("net", RED), ("buy_and_hold", GREY)):
    figure.add_trace(line(times, thin[name].to_numpy(), name.replace("_", " "), color))
show(
    layout(figure, "one unit of money over the test").update_yaxes(title="units").update_xaxes(title="close time, UTC")
)
for key, value in metrics["economics"].items():
    print(f"{key:<20} {value:,.4f}")

# %% [markdown]
# A signal that ranks better than chance is not yet a trade. The fee a side at which this one breaks even is
# `break_even_fee_bps`; a taker on Binance spot pays ten.

# %% [markdown]
# ## 10 The best that was possible
#
# Only a simulated market can answer this: with which probability was each candle drawn? The market's own probabilities
# are the **oracle**. No model can rank the test candles better than the oracle, but by luck.


# %%
def auc(y, score):
    """Return the area under the ROC curve, equal scores counted half."""
    values, group = np.unique(score, return_inverse=True)
    ups = np.bincount(group, weights=y, minlength=len(values))
    downs = np.bincount(group, minlength=len(values)) - ups
    return float(ups @ (np.cumsum(downs) - downs / 2) / (ups.sum() * downs.sum()))


if gathered.synthetic:
    market = Market(int(SOURCE.partition(":")[2] or 0))
    chances = market.oracle(symbol, "1m", lookback_candles)
    truth = np.array([chances[position[time] + 1] for time in moved["open_time"]])  # of the candle that is foreseen
    reached = {"oracle": auc(y, truth)} | {name: scores["without_ties"]["roc_auc"] for name, scores in models.items()}
    for name, value in reached.items():
        print(f"{name:<20} AUC* {value:.4f}   {(value - 0.5) / (reached['oracle'] - 0.5):.0%} of what is there")
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    bins = np.clip(np.argsort(np.argsort(truth)) * 20 // len(truth), 0, 19)
    drawn_with = [truth[bins == k].mean() for k in range(20)]
    figure.add_trace(dots(drawn_with, [p_up[bins == k].mean() for k in range(20)], "model's mean probability"), 1, 1)
    figure.add_trace(line([0.37, 0.63], [0.37, 0.63], "equal", GREY, "dash"), 1, 1)
    figure.update_xaxes(title="probability it was drawn with, by twentieths", row=1, col=1)
    figure.update_yaxes(title="P(up) of the model", row=1, col=1)
    low, high = zip(*(scores["without_ties"]["ci"]["roc_auc"] for scores in models.values()), strict=True)
    places, ends = list(range(len(names))), [-0.5, len(names) - 0.5]
    figure.add_trace(dots(list(reached.values())[1:], places, None, BLUE, low, high), 1, 2)
    figure.add_trace(line([reached["oracle"]] * 2, ends, color=GREEN, width=2), 1, 2)
    figure.add_trace(line([0.5] * 2, ends, color=GREY, dash="dash"), 1, 2)
    figure.update_xaxes(title="AUC*: coin (dashed), oracle (green)", row=1, col=2)
    figure.update_yaxes(
        range=ends, tickvals=places, ticktext=[name.replace("_", "<br>") for name in names], row=1, col=2
    )
    show(layout(figure, "what was there, and what was found", height=340))

# %% [markdown]
# ## 11 A market with nothing in it
#
# NULLUSDT is a random walk on a coarse lattice of ticks. Its oracle is one half in every minute: there is nothing to be
# found. The same pipeline runs on six of them, with 20,000 candles and, to save time, five folds each.

# %%
nulls = []
for number in range(1, 7):
    control = ml.run(
        source=f"sim:{number}", symbol="NULLUSDT", lookback_candles=20_000, seed=number, folds=5, engine="plain"
    )
    found = control.evaluation.metrics
    nulls.append({"seed": number, "ties": found["data"]["tie_share"]} | found["models"][found["selected"]]["test"])

figure = go.Figure()
for shift, color, told, pick in (
    (-0.12, RED, "with ties", lambda test: test),
    (0.12, BLUE, "without ties", lambda test: test["without_ties"]),
):
    tests = [pick(test) for test in nulls]
    low, high = zip(*(test["ci"]["roc_auc"] for test in tests), strict=True)
    x = [test["seed"] + shift for test in nulls]
    figure.add_trace(dots(x, [test["roc_auc"] for test in tests], told, color, low, high, along="y"))
figure.add_trace(line([0.5, 6.5], [0.5, 0.5], color=GREY, dash="dash"))
layout(figure, "AUC of the selected model on six null markets, 95 % intervals")
figure.update_layout(title_text="SYNTHETIC: AUC of the selected model on six null markets, with 95 % intervals")
show(figure.update_xaxes(title="seed of the market").update_yaxes(title="AUC"))
alone = [test["without_ties"]["roc_auc"] for test in nulls]
print(f"ties {min(test['ties'] for test in nulls):.0%} to {max(test['ties'] for test in nulls):.0%} of the rows")
print(f"mean AUC with ties {np.mean([test['roc_auc'] for test in nulls]):.4f}, without {np.mean(alone):.4f}")
outside = sum(not low <= 0.5 <= high for low, high in (test["without_ties"]["ci"]["roc_auc"] for test in nulls))
print(f"95 % intervals without ties that miss one half: {outside} of {len(nulls)}; by chance one in twenty does")

# %% [markdown]
# The red points are the trap. With ties counted as "not up", an AUC well above one half appears where nothing can be
# foreseen but that the market is quiet. Without ties the points scatter around one half. A single interval that misses
# one half is no discovery: look at enough markets, and one will.

# %% [markdown]
# ## 12 Exporting and predicting
#
# The run has written its folder:

# %%
for path in sorted((work / "run").rglob("*")):
    if path.is_file():
        print(path.relative_to(work / "run"))

# %% [markdown]
# `best_model.pkl` loads with plain joblib. A pickle runs code when it is loaded, so load only your own; the folder
# `model.mlsignal` holds the same model in a form that runs none.

# %%
model = joblib.load(work / "run" / "best_model.pkl")
print(model)
rows = features.to_polars().tail(4)
by_polars = model.predict_proba(rows)
by_pandas = model.predict_proba(rows.to_pandas()[list(reversed(rows.columns))])  # any order of columns, extra ones too
by_array = model.predict_proba(features.values[-4:])
print("polars = pandas = array:", np.array_equal(by_polars, by_pandas) and np.array_equal(by_polars, by_array))
rows.select("close_time", P_up=by_polars[:, 1], predicted=pl.Series(model.predict(rows)))

# %% [markdown]
# A column that is not there is an error that names it:

# %%
try:
    model.predict(rows.rename({"rsi14": "rsi_14"}))
except ValueError as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# The bundle takes candles, and computes the features itself. It needs `lookback` candles for one prediction, and gives
# the same number from these alone as from all of them: this is what makes a live signal equal to the backtest.

# %%
bundle = ml.load_bundle(work / "run")
few, all_of_them = bundle.predict(candles.last(bundle.lookback)), bundle.predict(candles)
difference = abs(few["p_up"][-1] - all_of_them["p_up"][-1])
print(
    f"lookback {bundle.lookback}; last P(up) from {len(few)} and from {len(all_of_them):,} candles differ by less "
    f"than 1e-9: {difference < 1e-9}"
)
few.tail(3)

# %% [markdown]
# ## 13 What is not tested
#
# * **Dependence between rows.** Intervals take rows as independent.
# * **The number of trials.** Two models were compared here. If you try fifty feature sets and report the best,
#   no number above knows of the other forty-nine.
# * **Spread, slippage, latency, funding.** Money is counted with a fee alone, filled at the next open.
# * **One symbol, one interval, one stretch of time.** The test is the newest fifth of one window.
# * Therefore the verdict says "not decided", and `edge` in `metrics.json` is `null`. That is an answer too.
#
# On a real market: set `SOURCE = "binance"` in chapter 1 and run all cells. The oracle is then skipped; chapter 11
# stays, because a null market is a control that every pipeline should pass.

# %%
shutil.rmtree(work)
