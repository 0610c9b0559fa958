# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
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
# 5. [What one has to know](#5-What-one-has-to-know): the break-even, before any training
# 6. [The split and the folds](#6-The-split-and-the-folds)
# 7. [The choice of a model](#7-The-choice-of-a-model)
# 8. [Test scores](#8-Test-scores), with intervals, with ties and without
# 9. [Is it luck?](#9-Is-it-luck?) Tests, corrected
# 10. [Ranking, calibration, abstention](#10-Ranking,-calibration,-abstention)
# 11. [Costs and decision](#11-Costs-and-decision)
# 12. [The best that was possible](#12-The-best-that-was-possible)
# 13. [A market with nothing in it](#13-A-market-with-nothing-in-it)
# 14. [What was tried](#14-What-was-tried)
# 15. [Exporting and predicting](#15-Exporting-and-predicting)
# 16. [What no number here knows](#16-What-no-number-here-knows)
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
import textwrap
from datetime import UTC, datetime
from html import escape
from itertools import product
from pathlib import Path

import joblib
import numpy as np
import plotly.graph_objects as go
import polars as pl
from IPython import get_ipython
from IPython.display import display
from plotly.subplots import make_subplots

import mlsignal as ml
from mlsignal.sim import Market

# %% [markdown]
# The next cell is about drawing only. Each chart is shown twice in one output: as a plotly figure, which JupyterLab and
# VS Code draw and let you zoom, and as a picture for everything else (a rendered notebook, a machine that is offline).
# Nothing is loaded from the network.

# %% jupyter={"source_hidden": true}
tables = get_ipython().display_formatter.formatters["text/html"]
tables.for_type(pl.DataFrame, lambda table: table._repr_html_().replace("&quot;", ""))  # words without quotes
pl.Config.set_tbl_hide_dataframe_shape(True).set_tbl_hide_column_data_types(True)
pl.Config.set_float_precision(4).set_tbl_rows(40).set_fmt_str_lengths(60).set_tbl_width_chars(140)
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
#
# Every run enters its models in a log of trials, so that a result can be held against all that was tried before. The
# log lies in your home and is only ever added to. The runs of this notebook demonstrate and decide nothing, so on a
# simulated market they get a log of their own, in a temporary folder. On real candles yours is kept: there a look is a
# look.

# %%
work = Path(tempfile.mkdtemp(prefix="signal-"))
asked = {"source": SOURCE, "symbol": symbol, "interval": interval}
asked |= {"lookback_candles": lookback_candles, "max_age_minutes": max_age_minutes}
if SOURCE.startswith("sim"):
    asked["trials"] = work / "trials"
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
    **{**asked, "lookback_candles": 10_000, "trials": work / "trials"},
    feature_file=feature_file,
    models="logistic_regression",
    engine="plain",
)
print(textwrap.fill(peeking.evaluation.metrics["verdict"]["text"], 100))

# %% [markdown]
# The verdict opens with a warning: nobody foresees minutes that well. Above 60 % suspect a leak before you believe.
# And it claims no edge: `verdict.edge` is null, for a leak passes every test of luck.
#
# It also names the culprit, for every run makes a quick audit of itself: features on prefixes and with made-up futures,
# labels, folds, columns against the target. `mlsignal audit` looks at far more places.

# %%
found = peeking.evaluation.metrics["audit"]["findings"]
with pl.Config(fmt_str_lengths=160, tbl_width_chars=200):
    display(pl.DataFrame(found).select("severity", "check", "culprit", "explanation"))

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
# ## 5 What one has to know
#
# Before a model is trained, the candles alone answer a question: how often would one have to be right? A bet of fixed
# size on every move, right with probability p, earns (2p - 1) times the mean move and pays a round trip. So it breaks
# even at p = 1/2 + cost / (2 · mean move). Longer horizons move further; the cost stays. Only the older four fifths of
# the candles are looked at.

# %%
costs = ml.choose_costs("binance-spot")
view = ml.break_even(candles[: len(candles) * 4 // 5], costs)
pl.DataFrame(
    [
        {
            "horizon": row.horizon,
            "moves that do not overlap": row.independent_moves,
            "mean move, bps": row.mean_move * 1e4,
            "round trip, bps": row.round_trip_cost * 1e4,
            "accuracy needed": f"{row.accuracy_needed:.1%}" if row.reachable else "none is enough",
            "share of moves above cost": row.share_above_cost,
        }
        for row in view.rows
    ]
)

# %%
horizons = [f"{row.horizon}" for row in view.rows]
figure = go.Figure(go.Bar(x=horizons, y=[row.mean_move * 1e4 for row in view.rows], marker={"color": BLUE}))
for name, color in (("binance-spot", RED), ("binance-futures", ORANGE), ("binance-futures-bnb-maker", GREEN)):
    level = ml.break_even(candles[: len(candles) * 4 // 5], ml.choose_costs(name)).rows[0].round_trip_cost * 1e4
    figure.add_trace(line(horizons, [level] * len(horizons), name, color, width=2))
layout(figure, "mean move by horizon, and round trips at three costs", height=320)
show(figure.update_xaxes(title="horizon, candles", type="category").update_yaxes(title="bps", rangemode="tozero"))

# %% [markdown]
# A bar below a line: there, not even being right every time is enough. One minute ahead moves a sixth of what a taker's
# round trip on Binance spot costs. A maker's fee is lower, but whether such an order is filled is not certain.
#
# This is known before the first model. The rest of this notebook asks whether the direction can be foreseen at all; for
# money the answer is already in sight.

# %% [markdown]
# ## 6 The split and the folds
#
# One call does the rest. The newest fifth of the rows is the test; the model is chosen on the older four fifths, by
# ten folds in time: each learns from all that came before it. Rows whose label looks into the rows tested on are
# **purged**. Scaling and outlier fences are fitted on training rows only, anew in each fold.
# (`validation="walk_forward"` and `"combinatorial"` cut the folds otherwise; `embargo` keeps more candles free.)

# %%
result = ml.run(work / "run", **asked, seed=seed, engine="plain")
metrics, predictions = result.evaluation.metrics, result.evaluation.predictions
keys = ("candles", "rows", "train_rows", "purged_rows", "test_rows", "train_end", "test_start", "up_share", "tie_share")
for key in keys:
    print(f"{key:<12} {metrics['data'][key]}")
print(f"{'outliers':<12} {metrics['data']['outlier_share']}")
checked = metrics["validation"]
print(f"{'folds':<12} {checked['n_folds']}, {checked['scheme']}, {checked['purged']} rows purged")
audit = metrics["audit"]
print(f"{'audit':<12} {len(audit['checks'])} checks, {len(audit['findings'])} findings")

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
# ## 7 The choice of a model
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
# ## 8 Test scores
#
# Five baselines stand beside the models: always up; the more frequent class of the training rows; the direction of the
# last candle; its opposite; and a logistic regression that learnt from labels in random order, which is what learning
# nothing looks like. `accuracy*` and `AUC*` leave ties out.


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
# Neighbouring candles resemble each other, so rows are not quite independent, and intervals that take them so can be
# too narrow. These come from a block bootstrap: stretches of neighbouring rows are drawn again, whole, 1,000 times.

# %% [markdown]
# ## 9 Is it luck?
#
# A model has to pass every one of these tests, on the test candles that moved:
#
# * its AUC is above one half, by the standard error of the block bootstrap;
# * its log loss, calibrated on training rows, is below that of each baseline (Diebold and Mariano, with a variance that
#   counts the dependence between rows).
#
# The largest p counts. It is then corrected by Holm for the number of models. The level is .01.

# %%
significance = metrics["significance"]
rows = []
for name, test in significance["models"].items():
    hardest = max(test["against"], key=lambda baseline: test["against"][baseline]["p"])
    rows.append(
        {
            "": name.replace("_", " "),
            "AUC*": test["roc_auc"],
            "its error": test["standard_error"],
            "p": f"{test['p_auc']:.1e}",
            "hardest baseline": hardest.replace("_", " "),
            "loss, nats/1000": test["against"][hardest]["difference"] * 1000,
            "p of this": f"{test['against'][hardest]['p']:.1e}",
            "largest p, corrected": f"{test['p_adjusted']:.1e}",
        }
    )
print(f"{significance['n']:,} rows that moved, in blocks of {significance['block_length']:.0f} on average")
pl.DataFrame(rows)

# %%
baselines = list(metrics["baselines"])
figure = go.Figure()
for shift, (name, test), color in zip((-0.12, 0.12), significance["models"].items(), (BLUE, ORANGE), strict=False):
    gaps = np.array([test["against"][baseline]["difference"] for baseline in baselines]) * 1000
    reach = 2 * np.array([test["against"][baseline]["standard_error"] for baseline in baselines]) * 1000
    y = np.arange(len(baselines)) + shift
    figure.add_trace(dots(gaps, y, name.replace("_", " "), color, gaps - reach, gaps + reach))
ends = [-0.5, len(baselines) - 0.5]
figure.add_trace(line([0, 0], ends, color=GREY, dash="dash"))
layout(figure, "log loss less that of each baseline, ± 2 standard errors", height=320, margin={"t": 80})
ticks = {"tickvals": list(range(len(baselines))), "ticktext": [name.replace("_", " ") for name in baselines]}
show(figure.update_xaxes(title="thousandths of a nat; the lower, the better").update_yaxes(range=ends, **ticks))

# %% [markdown]
# All of it lies left of zero. It is also small: a coin loses 693 thousandths of a nat, and these models a few less.
# `always_up` and `majority`, and the last candle and its opposite, are the same forecast once they must name a
# probability.

# %%
for claim in ("predictive", "economic"):
    print(f"{claim:<10} {metrics['verdict'][claim]}")

# %% [markdown]
# `edge` is true, false, or null where there was too little to test. False means that none was shown, not that there is
# none. The second claim is the subject of chapter 11.

# %% [markdown]
# ## 10 Ranking, calibration, abstention
#
# For the selected model, on the test candles that moved. What it **states** is P(up) as trained, with balanced classes
# and ties as "not up". **Calibrated** is P(up | the candle moves): a logistic curve over the stated score, fitted on
# the out-of-fold rows of the training part. It changes no order, only how sure the model sounds.

# %%
tested = predictions.filter((pl.col("fold") == "test") & (pl.col("model") == metrics["selected"]))
moved = tested.filter(~pl.col("tie"))
y, p_up = moved["label"].to_numpy(), moved["p_up"].to_numpy()

order = np.argsort(-p_up, kind="stable")
hits = np.append(0, np.cumsum(y[order])) / y.sum()
alarms = np.append(0, np.cumsum(1 - y[order])) / (1 - y).sum()
step = slice(None, None, max(1, len(hits) // 300))


def by_tenths(p):
    """Return the mean probability of each tenth of the rows, the share that went up, and the reach of its interval."""
    tenth = np.argsort(np.argsort(p, kind="stable")) * 10 // len(p)
    came = np.array([y[tenth == k].mean() for k in range(10)])
    reach = 1.96 * np.sqrt(came * (1 - came) / np.bincount(tenth, minlength=10))
    return np.array([p[tenth == k].mean() for k in range(10)]), came, reach


figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
figure.add_trace(line(alarms[step], hits[step]), 1, 1)
figure.add_trace(line([0, 1], [0, 1], color=GREY, dash="dash"), 1, 1)
figure.update_xaxes(title="share of downs called up", row=1, col=1)
figure.update_yaxes(title="share of ups called up", row=1, col=1)
for name, color, p in (("stated", ORANGE, p_up), ("calibrated", BLUE, moved["p_moved"].to_numpy())):
    said, came, reach = by_tenths(p)
    figure.add_trace(dots(said, came, name, color, came - reach, came + reach, along="y"), 1, 2)
ends = [said.min(), said.max()]
figure.add_trace(line(ends, ends, color=GREY, dash="dash"), 1, 2)
figure.update_xaxes(title="probability of up, by tenths", row=1, col=2)
figure.update_yaxes(title="share that went up", row=1, col=2)
show(layout(figure, f"ROC and calibration, {metrics['selected'].replace('_', ' ')}", height=400))
for name, told in metrics["models"][metrics["selected"]]["reliability"].items():
    print(f"{name:<11} mean distance of what is said from what comes: {told['ece']:.2%}")

# %%
counts = [[int((((p_up > 0.5) == call) & (y == truth)).sum()) for call in (False, True)] for truth in (0, 1)]
heat = {"z": counts, "x": ["called down", "called up"], "y": ["went down", "went up"], "colorscale": "Blues"}
figure = go.Figure(go.Heatmap(**heat, showscale=False, texttemplate="%{z:,}", zmin=0, zmax=np.max(counts) * 1.4))
show(layout(figure, "confusion, counts of test candles", height=260, width=520, margin={"t": 50}))

# %% [markdown]
# ### To say nothing
#
# Nobody has to call every minute. How often is the model right if it speaks only where it is most confident? The
# thresholds are quantiles of the confidence on **training** rows, out of fold; chosen on the test rows they would
# flatter. So the coverage reached differs a little from the one asked for.

# %%
figure, rows = go.Figure(), []
for shift, (name, told), color in zip((-0.1, 0.1), metrics["models"].items(), (BLUE, ORANGE), strict=False):
    told = told["coverage"]
    right = np.array([row["accuracy_without_ties"] for row in told], dtype=float)
    low, high = np.array([row["ci"] or [np.nan, np.nan] for row in told], dtype=float).T
    x = np.arange(len(told)) + shift
    figure.add_trace(dots(x, right, name.replace("_", " "), color, low, high, along="y"))
figure.add_trace(line([-0.5, len(told) - 0.5], [0.5, 0.5], color=GREY, dash="dash"))
layout(figure, "right calls among the most confident, 95 % intervals", height=340)
asked_for = [f"{row['share']:.0%}" for row in told]
figure.update_xaxes(title="share of rows asked for", tickvals=list(range(len(told))), ticktext=asked_for)
show(figure.update_xaxes(range=[-0.5, len(told) - 0.5]).update_yaxes(title="accuracy*"))
for row in metrics["models"][metrics["selected"]]["coverage"]:
    print(
        f"asked {row['share']:>4.0%}  spoke {row['coverage']:>6.1%}  P at least {row['threshold']:.3f}  "
        f"{row['n']:>5,} moved  right {row['accuracy_without_ties']:.1%}"
    )

# %% [markdown]
# The more selective, the better, and the fewer: the intervals widen. (They and the bars above take rows as independent.
# The most confident calls come in clusters, so the truth may be wider. The decision is the calibrated one, hence the
# accuracy at 100 % is not to the digit that of chapter 8.)
#
# What the model leans on: how far its AUC* falls when one feature is shuffled between rows. Features that tell the same
# story share their importance.

# %%
leaning = result.evaluation.importances[:10][::-1]
falls, spread = (np.array([getattr(item, part) for item in leaning]) for part in ("mean", "std"))
figure = go.Figure(dots(falls, [item.feature for item in leaning], None, BLUE, falls - spread, falls + spread))
layout(figure, "fall of AUC* when a feature is shuffled (± one standard deviation of 3 shuffles)", height=330)
show(figure.update_xaxes(title="fall of AUC*"))

# %% [markdown]
# ## 11 Costs and decision
#
# Two ways to trade the same probabilities, both filled at the **next** open and both at the costs of a preset:
#
# * follow **every signal**, long above one half and short below;
# * trade only **where it is worth it**: the expected gain, (2p - 1) times the expected move, must exceed a round trip
#   before a position is taken; it is kept as long as any gain on its side is expected, for staying costs nothing. p is
#   the calibrated probability; the expected move follows the volatility of the last hour of candles, by a factor learnt
#   from training rows.

# %%
followed, decision = metrics["economics"], metrics["decision"]
print(
    f"{decision['costs']}, {decision['liquidity']}: fee {decision['fee_bps']:g} bps and half the spread "
    f"{decision['half_spread_bps']:g} bps a side, slippage {decision['slippage']:g} of a candle's volatility; "
    f"a round trip costs {decision['round_trip_bps']:.1f} bps on average"
)
keys = ("gross_return", "net_return", "buy_and_hold_return", "trades", "exposure_share", "turnover", "mean_cost_bps")
keys += ("break_even_fee_bps", "hit_rate", "max_drawdown")


def worded(value):
    """Return a number as text; what is not defined as a dash."""
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"


sides = {"every signal": followed, "where worth it": decision}
pl.DataFrame([{"": key} | {name: worded(told[key]) for name, told in sides.items()} for key in keys])

# %%
equity, decided = result.evaluation.equity, result.evaluation.decided
thin = slice(None, None, max(1, len(equity) // 400))
times = equity["time"][thin].to_list()
figure = go.Figure()
for curve, column, name, color in (
    (equity, "gross", "every signal, gross", BLUE),
    (equity, "net", "every signal, net", RED),
    (decided, "net", "where worth it, net", GREEN),
    (equity, "buy_and_hold", "buy and hold", GREY),
):
    figure.add_trace(line(times, curve[column][thin].to_numpy(), name, color))
layout(figure, "one unit of money over the test").update_yaxes(title="units")
show(figure.update_xaxes(title="close time, UTC"))

# %% [markdown]
# A signal that ranks better than chance is not yet a trade. `break_even_fee_bps` is what a side may cost, all in all,
# until what every signal earned is used up; `mean_cost_bps` is what it did cost. The decision knows this beforehand and
# stays out.
#
# At which costs would it trade? The same probabilities and the same rule, at costs of 0 to 2 bps a side:

# %%
where = np.array([position[time] for time in tested["open_time"]])
volatility = ((frame["close"] / frame["open"]).log() ** 2).rolling_mean(60).sqrt().to_numpy()[where]
gain = result.rule.expected_gain(tested["p_up"].to_numpy(), volatility)  # of a unit long, before costs
largest = np.abs(gain).max() * 1e4
print(f"largest expected gain {largest:.2f} bps, against a round trip of {decision['round_trip_bps']:.1f} bps")

rows, figure = [], go.Figure()
for fee, color in zip((0, 0.25, 0.5, 1, 2), (BLUE, GREEN, ORANGE, RED, GREY), strict=True):
    costs = ml.choose_costs("free", fee_bps=fee)
    worth = result.rule.targets(tested["p_up"].to_numpy(), volatility, np.full(len(gain), 2 * fee / 1e4), where)
    traded, all_signals = (
        ml.run_backtest(candles, where, target, costs) for target in (worth, np.sign(tested["p_up"].to_numpy() - 0.5))
    )
    told = traded.summary
    rows.append(
        {
            "bps a side": float(fee),
            "trades": told["trades"],
            "time in the market": told["exposure_share"],
            "gross": told["gross_return"],
            "net": told["net_return"],
            "every signal, net": all_signals.summary["net_return"],
        }
    )
    figure.add_trace(line(times, traded.curve["net"][thin].to_numpy(), f"{fee} bps", color))
display(pl.DataFrame(rows))
layout(figure, "net value of the decision, by cost a side").update_yaxes(title="units")
show(figure.update_xaxes(title="close time, UTC"))

# %% [markdown]
# Dearer trading means fewer trades, and none from the point where no expected gain covers it. The lowest fee among the
# presets is 1.8 bps a side, for makers of futures who pay in BNB.
#
# Where trading is cheap, following every signal earned more here. The rule asks the gain of the next candle to pay for
# the whole round trip, though signals often agree for several candles: it is cautious, not the best there could be. (To
# pick a cost or a rule from this table would be a trial; costs are given, not chosen.)
#
# All of this in words, as the command line and the report print it:

# %%
print(textwrap.fill(LABEL + metrics["verdict"]["text"], 100))

# %% [markdown]
# ## 12 The best that was possible
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
# ## 13 A market with nothing in it
#
# NULLUSDT is a random walk on a coarse lattice of ticks. Its oracle is one half in every minute: there is nothing to be
# found. The same pipeline runs on six of them, with 20,000 candles and, to save time, five folds each.

# %%
nulls = []
for number in range(1, 7):
    control = ml.run(
        source=f"sim:{number}",
        symbol="NULLUSDT",
        lookback_candles=20_000,
        seed=number,
        folds=5,
        engine="plain",
        trials=work / "trials",
    )
    found = control.evaluation.metrics
    told = {"seed": number, "ties": found["data"]["tie_share"], **found["verdict"]}
    nulls.append(told | found["models"][found["selected"]]["test"])

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
for claim in ("predictive", "economic"):
    print(f"{claim} edges claimed: {sum(test[claim]['edge'] is True for test in nulls)} of {len(nulls)}")
print("p of foresight, corrected:", ", ".join(f"{test['predictive']['p']:.3f}" for test in nulls))

# %% [markdown]
# The red points are the trap. With ties counted as "not up", an AUC well above one half appears where nothing can be
# foreseen but that the market is quiet. Without ties the points scatter around one half, and the verdict, which rests
# on those, claims nothing. A single interval that misses one half is no discovery: look at enough markets, and one
# will.

# %% [markdown]
# ## 14 What was tried
#
# Or try enough settings. Here 24 of them are tried on one null market, with **no costs at all**, so that there is
# something to trade, and the one with the best Sharpe ratio is kept, as is often done. Every run enters the log of
# trials, and tells how it stands among all that came before:
#
# * the best Sharpe ratio to be **expected of luck** among so many trials that spread so much;
# * the **deflated Sharpe ratio**: the probability that the true ratio exceeds that, not merely zero;
# * the **probability of backtest overfitting**: how often the setting that is best on one half of the time is below the
#   median of all settings on the other half.


# %%
def attempt(horizon, ties, outliers):
    """Run one setting on the null market, and return its metrics."""
    tried = {"horizon": horizon, "ties": ties, "outliers": outliers, "costs": "free", "folds": 3, "seed": 1}
    place = {"source": "sim:1", "symbol": "NULLUSDT", "lookback_candles": 8_000, "trials": work / "trials"}
    return ml.run(**place, **tried, models="logistic_regression", engine="plain").evaluation.metrics


variants = list(product((1, 2, 3, 5), ("down", "drop"), ("remove", "winsorise", "none")))
trials = [attempt(*variant)["trials"] for variant in variants]
yearly = np.sqrt(365.25 * 24 * 60)  # from one minute to a year
ratios = np.array([trial["sharpe"] for trial in trials], dtype=float) * yearly
by_luck = np.array([trial["expected_maximum"] for trial in trials], dtype=float) * yearly
count = np.arange(1, len(trials) + 1)
figure = go.Figure(dots(count, ratios, "each trial", GREY))
figure.add_trace(line(count, np.fmax.accumulate(ratios), "best so far", RED, width=2))
figure.add_trace(line(count, by_luck, "expected of luck", BLUE, width=2))
layout(figure, "")
figure.update_layout(title_text="SYNTHETIC: Sharpe ratio (yearly) of 24 settings on a market with nothing in it")
show(figure.update_xaxes(title="trials so far").update_yaxes(title="Sharpe ratio"))

# %% [markdown]
# The more is tried, the better the best. Now the winner again; the log knows this setting, and counts it once:

# %%
best = variants[int(np.nanargmax(ratios))]
winner = attempt(*best)
told = winner["trials"]
print("settings            horizon {}, ties {}, outliers {}".format(*best))
print(f"trials              {told['n_trials']}, worth about {told['n_independent']:.0f} independent ones")
print(f"Sharpe, yearly      {told['sharpe'] * yearly:.1f}; expected of luck {told['expected_maximum'] * yearly:.1f}")
print(f"true ratio above 0  {told['probabilistic_sharpe']:.2f}, if it were the only trial")
print(f"above luck          {told['deflated_sharpe']:.2f}, the deflated Sharpe ratio; .95 is asked for")
print(f"overfitting         {told['pbo']['pbo']:.2f}")
print(f"economic edge       {winner['verdict']['economic']['edge']}")

# %% [markdown]
# A yearly Sharpe ratio that large looks like a fortune. It is what the best of so many settings shows where there is
# nothing: the span is a day long, and a year's figure of one lucky day is large. The log says so only if it is whole;
# hence it is kept without being asked, and emptying it would fool nobody but its owner.

# %% [markdown]
# ## 15 Exporting and predicting
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
# ## 16 What no number here knows
#
# * **What the log did not see.** Trials on another machine, rules of thumb read elsewhere, a chart of the test that was
#   looked at before the features were chosen. The p-values are corrected for the models of a run; where a claim would
#   fall if all logged trials were counted, the verdict says so.
# * **How an order is really filled.** Fee, spread and slippage are those of a preset. The impact of one's own size
#   counts only where `run_backtest` is told the size of the account; a maker's fill is taken for certain, and is not;
#   funding is 0 unless given.
# * **Other times and markets.** The test is the newest fifth of one window of one symbol. What was there may go.
# * **Small edges.** None shown is not none there; the verdict tells which AUC would often go unseen.
# * **That a simulated market is a market.** An edge was planted here, and found. It says that the pipeline works, and
#   nothing about any price that was ever paid.
#
# On a real market: set `SOURCE = "binance"` in chapter 1 and run all cells. The oracle is then skipped; chapters 13 and
# 14 stay, because a null market is a control that every pipeline should pass.

# %%
shutil.rmtree(work)
