"""The answer in words, and the key figures of the selected model beside their baselines."""

import re

from mlsignal.report.blocks import Banner, Block, Card, Cards, Section, Text
from mlsignal.report.figures.mark import draw_mark
from mlsignal.report.numbers import MISSING, basis_points, in_text, interval, p_value, percent, score
from mlsignal.report.story import Story

_WORDS = {True: "Edge", False: "No edge", None: "Not decided"}
_PARTS = (("predictive", "Foresight"), ("economic", "After costs"))
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def verdict_section(story: Story) -> Section:
    """Return the verdict and the cards."""
    blocks: tuple[Block, ...] = (_banner(story),)
    cards = _cards(story)
    if story.selected and cards:
        name = in_text(story.selected)
        told = f"Key figures of the selected model, {name}, on the test span. The upright tick is the best baseline."
        blocks += (Text(told), Cards(cards))
    return Section("verdict", "Verdict", "", blocks)


def _banner(story: Story) -> Banner:
    text = story.look("verdict.text")
    sentences = tuple(_SENTENCE_END.split(text.strip())) if isinstance(text, str) and text.strip() else ()
    details = []
    for key, title in _PARTS:
        answer, p = _answer(story.look(f"verdict.{key}.edge")), p_value(story.look(f"verdict.{key}.p"))
        details.append((title, answer.lower() if p == MISSING else f"{answer.lower()} ({p})"))
    return Banner(_word(story), sentences, tuple(details))


def _word(story: Story) -> str:
    """Return the answer: foresight that costs eat is not called an edge without saying so."""
    found = story.look("verdict.edge")
    if found is True and story.look("verdict.economic.edge") is not True:
        return "Edge before costs only"
    return _answer(found)


def _answer(edge: object) -> str:
    return _WORDS[edge] if isinstance(edge, bool) else _WORDS[None]


def _cards(story: Story) -> tuple[Card, ...]:
    if not story.selected:
        return ()
    return (
        _score_card(story, "roc_auc", "Test AUC", "0.5 is guessing"),
        _score_card(story, "without_ties.roc_auc", "AUC, ties left out", "a claim of an edge rests on this one"),
        _score_card(story, "accuracy", "Accuracy", "share of decisions that came true"),
        _score_card(story, "log_loss", "Log loss", "nats; lower is better"),
        _return_card(story),
    )


def _score_card(story: Story, name: str, label: str, explanation: str) -> Card:
    value, bounds = story.test_score(name)
    baseline = story.best_baseline(name)
    told = f"Best baseline: {score(baseline.value)} ({baseline.name.lower()})" if baseline else "No baseline"
    mark = draw_mark(value, bounds, baseline.value if baseline else None)
    confidence = f"95 % interval {interval(bounds)}" if bounds else "no interval"
    return Card(label, score(value), confidence, told, explanation, mark)


def _return_card(story: Story) -> Card:
    fee = basis_points(story.look("economics.fee_bps"))
    gross = percent(story.look("economics.gross_return"), signed=True)
    held = percent(story.look("economics.buy_and_hold_return"), signed=True)
    net = percent(story.look("economics.net_return"), signed=True)
    told = f"fee {fee} a side; breaks even at {basis_points(story.look('economics.break_even_fee_bps'), 2)}"
    return Card("Every signal, after costs", net, f"{gross} before costs", f"Buy and hold: {held}", told)
