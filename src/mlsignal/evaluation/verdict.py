"""What the scores amount to: two answers, how sure they are, and the words for them. "No edge" is an answer."""

from collections.abc import Mapping
from typing import Any

from mlsignal.evaluation.student import student_reach

SUSPICIOUS_GAIN = 0.1
"""Accuracy without ties, less that of always saying the commoner side, above which leakage is the likeliest reason."""
LEVEL = 0.01
"""Of every test that a claim of an edge must pass, after Holm's correction over the models."""
ENOUGH_CERTAINTY = 0.95
"""Deflated Sharpe ratio from which on luck among the trials no longer explains an economic edge."""
POWER = 0.8
"""Share of samples in which an effect is to be seen, to count as detectable."""
LONG_HORIZON = 10
"""Candles ahead beyond which features at the level of prices bias an AUC upwards, see `_levels`."""
PRICE_LEVELS = ("prev_close", "ma10", "ma50")
"""Shipped features that are prices."""


def verdict(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether there is an edge, before costs and after, and put it into words.

    Parameters
    ----------
    metrics
        The content of metrics.json, but for the verdict.

    Returns
    -------
    dict
        edge (that of predictive), predictive (edge, p, p_run, n_trials, level), economic (edge, p, level), warning
        (None, or why to suspect a leak) and text. An edge is None where it could not be tested, or where the audit
        found a leak.

    Notes
    -----
    Predictive: on test candles that moved, the selected model's AUC is above .5 and its log loss below that of every
    baseline, all at level .01. The largest of these p-values is corrected by Holm over the models of the run (p_run),
    and by Bonferroni for all that was ever tried on this market and time; the larger counts (p). Economic: the
    cost-aware decisions earn more than nothing after costs, and more than their mean position held all the time, at
    the same level, and what timing earned stands out from the best that all trials so far would show by luck.
    """
    predictive, economic = _predictive(metrics), _economic(metrics)
    warning = _leakage_warning(metrics)
    sentences = [
        warning,
        _foresight(metrics, predictive),
        _certainty(metrics),
        _levels(metrics),
        _money(metrics, economic),
        _following(metrics),
        _tried(metrics),
    ]
    return {
        "edge": predictive["edge"],
        "predictive": predictive,
        "economic": economic,
        "warning": warning or None,
        "text": " ".join(sentence for sentence in sentences if sentence),
    }


def _predictive(metrics: Mapping[str, Any]) -> dict[str, Any]:
    found = _of_selected(metrics, "significance")
    tested = found is not None and _test(metrics)["without_ties"]["roc_auc"] is not None
    p_run = found.get("p_adjusted") if found is not None and tested else None
    n_trials = (metrics.get("trials") or {}).get("n_trials") or 1
    p = p_run
    if found is not None and p_run is not None and n_trials > len(metrics["models"]):
        p = max(p_run, min(1.0, found["p"] * n_trials))
    edge = None if p is None or _leaks(metrics) else bool(p < LEVEL)
    return {"edge": edge, "p": p, "p_run": p_run, "n_trials": n_trials, "level": LEVEL}


def _economic(metrics: Mapping[str, Any]) -> dict[str, Any]:
    decision = metrics.get("decision") or {}
    p, certainty = decision.get("p"), (metrics.get("trials") or {}).get("deflated_sharpe")
    if p is None:
        return {"edge": False if decision.get("trades") == 0 else None, "p": None, "level": LEVEL}
    lucky = certainty is None or certainty < ENOUGH_CERTAINTY
    return {"edge": None if _leaks(metrics) else bool(p < LEVEL and not lucky), "p": p, "level": LEVEL}


def _of_selected(metrics: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = ((metrics.get(key) or {}).get("models") or {}).get(metrics["selected"])
    return found


def _foresight(metrics: Mapping[str, Any], predictive: Mapping[str, Any]) -> str:
    name, scores = _words(metrics["selected"]), _test(metrics)["without_ties"]
    if predictive["p"] is None:
        return f"Foresight cannot be judged: the test candles that moved are too few or of one class ({scores['n']:,})."
    if predictive["edge"] is None:
        return f"Foresight is not judged where a leak is. {_ranking(name, scores)}."
    start = "There is a predictive edge." if predictive["edge"] else "No predictive edge is shown."
    return f"{start} {_ranking(name, scores)}; {_loss(metrics)} {_p_values(metrics, predictive)}"


def _ranking(name: str, scores: Mapping[str, Any]) -> str:
    interval = (scores.get("ci") or {}).get("roc_auc")
    told = f" (95 % interval {interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
    return (
        f"On the {scores['n']:,} test candles that moved, {name}, selected on the training rows, ranks ups over downs "
        f"with an AUC of {scores['roc_auc']:.4f}{told}, where a coin has .5, and is right {scores['accuracy']:.2%} of "
        "the time"
    )


def _loss(metrics: Mapping[str, Any]) -> str:
    found = _of_selected(metrics, "significance") or {}
    against = found.get("against") or {}
    if not against:
        return "its log loss was compared with nothing."
    hardest = max(against, key=lambda name: against[name]["p"])
    gain = -against[hardest]["difference"]
    told = f"{abs(gain) * 1000:.2f} thousandths of a nat {'better' if gain > 0 else 'worse'} than"
    return f"its calibrated log loss is {told} the hardest baseline ({_words(hardest)})."


def _p_values(metrics: Mapping[str, Any], predictive: Mapping[str, Any]) -> str:
    n, tried = len(metrics["models"]), predictive["n_trials"]
    p, p_run = predictive["p"], predictive["p_run"]
    if p > p_run:
        alone = f" In this run alone: p {_p(p_run)}; who tries often finds something." if p_run < LEVEL else ""
        return f"By luck alone: p {_p(p)}, corrected for {tried:,} trials; the level is {LEVEL:g}.{alone}"
    over = f", corrected for {n} models" if n > 1 else ""
    return f"By luck alone: p {_p(p)}{over}; the level is {LEVEL:g}."


def _certainty(metrics: Mapping[str, Any]) -> str:
    """Say how large an edge would have had to be to be seen, where none was."""
    found = _of_selected(metrics, "significance") or {}
    error = found.get("standard_error")
    if error is None or (found.get("p_auc") or 0) < LEVEL:
        return ""
    if not error:
        return (
            "Its out-of-fold scores on training rows ranked nothing, so its calibrated probability is the same for "
            "every candle: how it ranks the test candles is no evidence."
        )
    n, degrees = _test(metrics)["without_ties"]["n"], metrics["significance"]["degrees"]
    errors = student_reach(1 - 2 * LEVEL, degrees) + student_reach(2 * POWER - 1, degrees)
    detectable = 0.5 + errors * error
    if not detectable < 1:
        return f"With {n:,} candles no AUC whatever could be shown: not shown is not not there."
    return f"With {n:,} candles an AUC below about {detectable:.3f} would often go unseen: not shown is not not there."


def _levels(metrics: Mapping[str, Any]) -> str:
    """Say so where features at the level of prices make an AUC of overlapping labels lean above one half."""
    settings = metrics.get("settings") or {}
    horizon, names = settings.get("horizon") or 1, settings.get("feature_names") or ()
    levels = [name for name in PRICE_LEVELS if name in names]
    if horizon <= LONG_HORIZON or not levels:
        return ""
    moves = _test(metrics)["without_ties"]["n"] // horizon
    return (
        f"These are about {moves:,} moves that do not overlap, and prices are among the features "
        f"({', '.join(levels)}): even on a random walk the AUC then leans above .5, and its interval with it; the "
        "comparison with the baselines does not."
    )


def _money(metrics: Mapping[str, Any], economic: Mapping[str, Any]) -> str:
    money = metrics.get("decision") or {}
    if not money:
        return ""
    cost = f"a round trip of about {money['round_trip_bps']:.1f} bps"
    if not money["trades"]:
        return f"After costs: no edge. No expected gain on the test candles exceeds {cost}, so nothing is traded."
    told = (
        f"trading only where the expected gain exceeds {cost} makes {money['trades']:,} trades and "
        f"{money['net_return']:+.2%} (buy and hold {money['buy_and_hold_return']:+.2%})"
    )
    if economic["edge"] is None:
        why = "too few to judge" if economic["p"] is None else "which a leak explains"
        return f"After costs: not decided; {told}, {why}."
    answer = "an edge" if economic["edge"] else "no edge is shown"
    luck = (metrics.get("trials") or {}).get("deflated_sharpe")
    deflated = f", deflated Sharpe ratio {luck:.2f}" if luck is not None else ""
    drifted = (money.get("p_return") or 1.0) < LEVEL <= (money.get("p_timing") or 1.0)
    drift = "; what was earned, the market gave to its mean position, and not the timing" if drifted else ""
    return f"After costs: {answer}; {told}; p {_p(economic['p'])}{deflated}{drift}."


def _following(metrics: Mapping[str, Any]) -> str:
    money = metrics["economics"]
    text = (
        f"Following every signal long and short would have made {money['gross_return']:+.2%} before and "
        f"{money['net_return']:+.2%} after costs"
    )
    if money["break_even_fee_bps"] > 0:
        return f"{text}; it breaks even at {money['break_even_fee_bps']:.2f} bps a side."
    return f"{text}; there was nothing for costs to eat."


def _tried(metrics: Mapping[str, Any]) -> str:
    trials = metrics.get("trials") or {}
    n = trials.get("n_trials")
    if not n:
        return ""
    told = f"{n:,} combination{'s' if n > 1 else ''} of model and settings on this market and time so far"
    overfitting = (trials.get("pbo") or {}).get("pbo")
    probability = f"; probability of backtest overfitting {overfitting:.2f}" if overfitting is not None else ""
    return f"Tried: {told}, this run's among them{probability}."


def _leakage_warning(metrics: Mapping[str, Any]) -> str:
    leaks, accuracy = _leaks(metrics), _test(metrics)["without_ties"]["accuracy"]
    suspicious = accuracy is not None and accuracy - _commoner_side(metrics) > SUSPICIOUS_GAIN
    told = (
        f"an accuracy of {accuracy:.2%} without ties is more than honest features reach on such candles"
        if suspicious
        else ""
    )
    if leaks:
        accused = f"the audit of this run accuses {', '.join(leaks)}: no score of it can be believed"
        return f"WARNING: {told + '; ' if told else ''}{accused}."
    if not suspicious:
        return ""
    return (
        f"WARNING: {told}: suspect a feature that sees the future before you believe it; the quick audit of this run "
        "found nothing; run `mlsignal audit` for the whole of it."
    )


def _commoner_side(metrics: Mapping[str, Any]) -> float:
    """Return how often one is right who always says the side that came more often among the test candles that moved."""
    always = ((metrics.get("baselines") or {}).get("always_up") or {}).get("without_ties") or {}
    up = always.get("accuracy")
    return 0.5 if up is None else max(up, 1 - up)


def _leaks(metrics: Mapping[str, Any]) -> list[str]:
    """Return whom the audit of the run accuses of a leak, each once."""
    findings = (metrics.get("audit") or {}).get("findings") or []
    return list(dict.fromkeys(item["culprit"] for item in findings if item["severity"] == "leak"))


def _test(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    scores: Mapping[str, Any] = metrics["models"][metrics["selected"]]["test"]
    return scores


def _words(name: str) -> str:
    return name.replace("_", " ")


def _p(p: float | None) -> str:
    return "unknown" if p is None else "< .001" if p < 0.001 else f"= {p:.3f}"
