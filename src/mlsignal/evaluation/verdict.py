"""What the scores amount to, in words."""

from collections.abc import Mapping
from typing import Any

SUSPICIOUS_ACCURACY = 0.6
"""Accuracy without ties above which leakage is the likeliest explanation, on candles of minutes to hours."""


def verdict(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Word what a run found, and what it has not tested.

    Parameters
    ----------
    metrics
        The content of metrics.json, but for the verdict.

    Returns
    -------
    dict
        edge, predictive and economic stay undecided (None): intervals that allow for dependent rows, and a correction
        for the number of models tried, are not there yet. text says what is known.
    """
    undecided = {"edge": None, "p": None}
    sentences = [
        _ranking(metrics),
        _against_baselines(metrics),
        _money(metrics),
        "Not tested yet: whether this survives dependence between rows, the number of models tried, spread "
        "and slippage. "
        "So whether there is an edge is not decided.",
    ]
    warning = _leakage_warning(metrics)
    if warning:
        sentences.insert(0, warning)
    return {"edge": None, "predictive": dict(undecided), "economic": dict(undecided), "text": " ".join(sentences)}


def _selected(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    scores: Mapping[str, Any] = metrics["models"][metrics["selected"]]["test"]
    return scores


def _ranking(metrics: Mapping[str, Any]) -> str:
    name = metrics["selected"].replace("_", " ")
    scores = _selected(metrics)["without_ties"]
    interval = scores.get("ci", {}).get("roc_auc")
    if interval is None:
        return f"The {name} was selected; the test rows without ties are of one class, so it cannot be ranked."
    low, high = interval
    if low > 0.5:
        told = "above a coin's .5"
    elif high < 0.5:
        told = "below a coin's .5: the past's pattern reversed"
    else:
        told = "not told apart from a coin's .5"
    return (
        f"The {name} was selected on the training rows. On the {scores['n']:,} test candles that moved it "
        "ranks ups over downs "
        f"with an AUC of {scores['roc_auc']:.4f} (95 % interval {low:.4f} to {high:.4f}, rows taken as "
        f"independent), {told}; "
        f"it is right {scores['accuracy']:.2%} of the time."
    )


def _against_baselines(metrics: Mapping[str, Any]) -> str:
    scores, baselines = _selected(metrics), metrics["baselines"]
    loss_name = min(baselines, key=lambda name: baselines[name]["log_loss"])
    hit_name = max(baselines, key=lambda name: baselines[name]["accuracy"])
    gain = baselines[loss_name]["log_loss"] - scores["log_loss"]
    compared = "better" if gain > 0 else "worse"
    return (
        f"Its log loss of {scores['log_loss']:.4f} is {compared} than the best baseline's "
        f"{baselines[loss_name]['log_loss']:.4f} "
        f"({loss_name.replace('_', ' ')}); its accuracy of {scores['accuracy']:.2%} stands beside "
        f"{baselines[hit_name]['accuracy']:.2%} "
        f"({hit_name.replace('_', ' ')})."
    )


def _money(metrics: Mapping[str, Any]) -> str:
    money = metrics["economics"]
    text = (
        f"Following it long and short earned {money['gross_return']:+.2%} before and "
        f"{money['net_return']:+.2%} after a fee of "
        f"{money['fee_bps']:g} bps a side"
    )
    if money["break_even_fee_bps"] > 0:
        return f"{text}; it breaks even at {money['break_even_fee_bps']:.2f} bps."
    return f"{text}; there was nothing for a fee to eat."


def _leakage_warning(metrics: Mapping[str, Any]) -> str:
    accuracy = _selected(metrics)["without_ties"]["accuracy"]
    if not accuracy > SUSPICIOUS_ACCURACY:
        return ""
    return (
        f"WARNING: an accuracy of {accuracy:.2%} without ties is more than honest features reach on such candles: "
        "suspect a feature that sees the future before you believe it."
    )
