"""What the scores amount to: two answers, how sure they are, and the words for them. "No edge" is an answer."""

from collections.abc import Mapping
from typing import Any

SUSPICIOUS_ACCURACY = 0.6
"""Accuracy without ties above which leakage is the likeliest explanation, on candles of minutes to hours."""
LEVEL = 0.01
"""Of every test that a claim of an edge must pass, after Holm's correction over the models."""
ENOUGH_CERTAINTY = 0.95
"""Deflated Sharpe ratio from which on luck among the trials no longer explains an economic edge."""
DETECTABLE_ERRORS = 3.17
"""Standard errors that an effect must have to pass a one-sided test at .01 in 80 % of samples: 2.33 + .84."""


def verdict(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether there is an edge, before costs and after, and put it into words.

    Parameters
    ----------
    metrics
        The content of metrics.json, but for the verdict.

    Returns
    -------
    dict
        edge (that of predictive), predictive (edge, p, level), economic (edge, p, level), warning (None, or why to
        suspect a leak) and text. An edge is None where it could not be tested, or where the audit found a leak.

    Notes
    -----
    Predictive: on test candles that moved, the selected model's AUC is above .5 and its log loss below that of every
    baseline, all at level .01, the largest of these p-values corrected by Holm over the models. Economic: the mean
    return of the cost-aware decisions, after costs, is above 0 at the same level, and the Sharpe ratio stands out from
    what the best of all trials so far would show by luck.
    """
    predictive, economic = _predictive(metrics), _economic(metrics)
    warning = _leakage_warning(metrics)
    sentences = [
        warning,
        _foresight(metrics, predictive),
        _certainty(metrics),
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
    p = None if found is None or _test(metrics)["without_ties"]["roc_auc"] is None else found.get("p_adjusted")
    return {"edge": None if p is None or _leaks(metrics) else bool(p < LEVEL), "p": p, "level": LEVEL}


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
    n = len(metrics["models"])
    over = f", corrected for {n} models" if n > 1 else ""
    return f"By luck alone: p {_p(predictive['p'])}{over}; the level is {LEVEL:g}."


def _certainty(metrics: Mapping[str, Any]) -> str:
    """Say how large an edge would have had to be to be seen, where none was."""
    found = _of_selected(metrics, "significance") or {}
    error = found.get("standard_error")
    if error is None or (found.get("p_auc") or 0) < LEVEL:
        return ""
    n, detectable = _test(metrics)["without_ties"]["n"], 0.5 + DETECTABLE_ERRORS * error
    return f"With {n:,} candles an AUC below about {detectable:.3f} would often go unseen: not shown is not not there."


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
    return f"After costs: {answer}; {told}; p {_p(economic['p'])}{deflated}."


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
    told = f"{n:,} model{'s' if n > 1 else ''} and settings evaluated on this market and time so far"
    overfitting = (trials.get("pbo") or {}).get("pbo")
    probability = f"; probability of backtest overfitting {overfitting:.2f}" if overfitting is not None else ""
    return f"Tried: {told}, this run's among them{probability}.{_if_all_counted(metrics, n)}"


def _if_all_counted(metrics: Mapping[str, Any], n_trials: int) -> str:
    """Say so where a claim would not survive a correction for everything that was tried."""
    found = _of_selected(metrics, "significance") or {}
    p = found.get("p")
    if p is None or not found["p_adjusted"] < LEVEL <= min(p * n_trials, 1.0):
        return ""
    return f" Corrected for all of these, p {_p(min(p * n_trials, 1.0))}: the claim would not stand."


def _leakage_warning(metrics: Mapping[str, Any]) -> str:
    leaks, accuracy = _leaks(metrics), _test(metrics)["without_ties"]["accuracy"]
    suspicious = accuracy is not None and accuracy > SUSPICIOUS_ACCURACY
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
