"""Whether the models foresee anything, and what was tried before: the tests and the trial log in words."""

from collections.abc import Mapping
from typing import Any

from mlsignal.report.blocks import Cell, Column, Facts, Row, Section, Table, Text
from mlsignal.report.numbers import FIXED, MISSING, count, finite, in_text, p_value, percent, score, span, words
from mlsignal.report.story import Story, look

LEVEL = 0.01
"""The level of the claim of an edge."""


def significance_section(story: Story) -> Section:
    """Return the tests of every model, corrected for the number of models."""
    told = (
        "Tests on the test candles that moved, made for rows that depend on their neighbours. A model foresees "
        "something if its AUC exceeds 0.5 and its log loss is lower than that of every baseline: its p is the largest "
        "of these, and Holm's correction raises it for the number of models."
    )
    models = story.mapping("significance.models")
    if not models:
        return Section("significance", "Is it luck?", "", (Text("The models were not tested."),))
    baselines = tuple(dict.fromkeys(name for tests in models.values() for name in look(tests, "against") or {}))
    rows = tuple(_row(story, name, tests, baselines) for name, tests in models.items())
    table = Table("Model", _columns(baselines), rows, _caption(story), ())
    return Section("significance", "Is it luck?", told, (table, Text(_sentence(story, models))))


def _columns(baselines: tuple[str, ...]) -> tuple[Column, ...]:
    against = tuple(
        Column(words(name), "Diebold and Mariano's test that the model's log loss is lower.", "Log loss below that of")
        for name in baselines
    )
    return (
        Column("AUC", "Of the candles that moved, with its 95 % interval.", "Against a coin"),
        Column("p", "One-sided: the AUC exceeds 0.5.", "Against a coin"),
        *against,
        Column("p", "The largest p of the row.", "Together"),
        Column("p, corrected", "After Holm's correction for the number of models.", "Together"),
    )


def _row(story: Story, name: str, tests: Any, baselines: tuple[str, ...]) -> Row:
    cells = [
        Cell(score(look(tests, "roc_auc")), span(look(tests, "ci"))),
        Cell(_p(look(tests, "p_auc"))),
        *(Cell(_p(look(tests, f"against.{one}.p"))) for one in baselines),
        Cell(_p(look(tests, "p"))),
        Cell(_p(look(tests, "p_adjusted")), best=_passes(tests)),
    ]
    return Row(story.title(name), tuple(cells), "selected" if name == story.selected else "")


def _p(value: Any) -> str:
    return p_value(value).removeprefix(f"p{FIXED}").removeprefix(f"={FIXED}")


def _passes(tests: Any) -> bool:
    p = finite(look(tests, "p_adjusted"))
    return p is not None and p < LEVEL


def _caption(story: Story) -> str:
    length = finite(story.look("significance.block_length"))
    rows = f"{count(story.look('significance.n'))} candles that moved"
    if length is None:
        return f"{rows}."
    return f"{rows}; {count(story.look('significance.replicates'))} replicates of blocks of {count(length)} on average."


def _sentence(story: Story, models: Mapping[str, Any]) -> str:
    passed = [name for name, tests in models.items() if _passes(tests)]
    if not passed:
        return f"No model passes every test at the level of {LEVEL}: what was seen may be luck."
    told = f"Every test at the level of {LEVEL} is passed by: {', '.join(in_text(name) for name in passed)}."
    if story.selected in passed and not story.look("verdict.edge"):
        p, n = p_value(story.look("verdict.predictive.p")), count(story.look("verdict.predictive.n_trials"))
        return f"{told} Counting all {n} trials on this market and time, {p} for the selected one: that may be luck."
    return told


def trials_section(story: Story) -> Section:
    """Return how many configurations were tried on this market, and what that leaves of the result."""
    told = (
        "Who tries often finds something. Every configuration that was ever evaluated on this market is in a log, and "
        "counts here if its test span overlaps with this one."
    )
    found = story.mapping("trials")
    if not found:
        return Section("trials", "What was tried", "", (Text("The trials were not counted."),))
    texts = [Text(_counted(found)), Text(_deflated(found)), Text(_overfit(found))]
    if found.get("recorded") is False:
        texts.append(Text("This trial could not be written to the log: later runs will not count it.", warning=True))
    if finite(found.get("unreadable")):
        told_lost = f"{count(found['unreadable'])} lines of the log could not be read; they are not counted."
        texts.append(Text(told_lost, warning=True))
    return Section("trials", "What was tried", told, (*texts, _facts(found)))


def _counted(found: Mapping[str, Any]) -> str:
    n = finite(found.get("n_trials")) or 0
    if n <= 1:
        return "This is the first trial on this market and time that the log knows of."
    best = "This one has the highest Sharpe ratio of them." if found.get("is_best") else "Another one did better."
    configurations = finite(found.get("n_configurations")) or 0
    return (
        f"{count(n)} trials of {count(configurations)} configuration{'' if configurations == 1 else 's'} were made on "
        "this market over an overlapping time, this one included."
        f"{'' if finite(found.get('sharpe')) is None else f' {best}'}"
    )


def _deflated(found: Mapping[str, Any]) -> str:
    chance, highest = finite(found.get("deflated_sharpe")), finite(found.get("expected_maximum"))
    if chance is None or highest is None:
        return "The Sharpe ratio after costs is not defined: nothing was traded, or the returns do not vary."
    return (
        f"After costs the Sharpe ratio of a candle is {score(found.get('sharpe'))}; of so many trials without skill "
        f"the best would be expected to show {score(highest)}. The probability that the true ratio is above that, the "
        f"deflated Sharpe ratio, is {percent(chance)}."
    )


def _overfit(found: Mapping[str, Any]) -> str:
    pbo = finite(look(found.get("pbo"), "pbo"))
    if pbo is None:
        return f"The probability of overfitting is not defined: {found.get('pbo_reason') or 'it was not computed'}."
    return (
        f"Where the best of {count(look(found.get('pbo'), 'n_trials'))} trials is chosen on one half of the time, it "
        f"is below the median on the other half in {percent(pbo)} of the cases (50 % is what luck does)."
    )


def _facts(found: Mapping[str, Any]) -> Facts:
    return Facts(
        (
            ("Trials counted", count(found.get("n_trials"))),
            ("As many as independent ones", count(found.get("n_independent"))),
            ("Sharpe ratio of a candle", _with_error(found)),
            ("Probability that it exceeds 0", percent(found.get("probabilistic_sharpe"))),
            ("Deflated Sharpe ratio", percent(found.get("deflated_sharpe"))),
            ("Probability of overfitting", percent(look(found.get("pbo"), "pbo"))),
        )
    )


def _with_error(found: Mapping[str, Any]) -> str:
    ratio, error = score(found.get("sharpe")), score(found.get("sharpe_error"))
    return ratio if error == MISSING else f"{ratio} ± {error}"
