"""Trials, their log and what they do to a result."""

import json
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsignal.errors import DataError, OutputError
from mlsignal.evaluation.record import without_nan
from mlsignal.evaluation.sharpe import deflated_sharpe, sharpe_moments
from mlsignal.evaluation.trial_assessment import assess_trials
from mlsignal.evaluation.trial_log import LoggedTrials, TrialLog
from mlsignal.evaluation.trials import BLOCK_LENGTHS, Trial, calendar_blocks
from mlsignal.store.local import LocalFolder

MINUTE = 60_000
HOUR = 60 * MINUTE
START = datetime(2024, 6, 1, 0, 30, tzinfo=UTC)
MARKET = ("BTCUSDT", "1m", "binance")


def trial(seed: int = 0, n: int = 5_000, start: datetime = START, edge: float = 0.0, **changes: Any) -> Trial:
    """Return a trial of minutes whose returns have a mean of `edge` standard deviations."""
    times = int(start.timestamp() * 1000) + MINUTE * np.arange(1, n + 1)
    returns = 1e-4 * (np.random.default_rng(seed).normal(size=n) + edge)
    block_ms, blocks = calendar_blocks(times, returns)
    made = Trial(
        configuration={"seed": seed, "features": ["classic"], "nested": {"b": 1, "a": None}},
        data_sha256="d" * 64,
        start=start,
        end=start + timedelta(minutes=n),
        model="random_forest",
        n=n,
        auc_without_ties=0.51,
        log_loss=float("nan"),
        sharpe=sharpe_moments(returns),
        block_ms=block_ms,
        blocks=blocks,
    )
    return replace(made, **changes)


def logged(*trials: Trial, recorded: bool | None = True) -> LoggedTrials:
    return LoggedTrials(trials, recorded, 0, "BTCUSDT-1m.jsonl")


def test_trial_survives_its_line() -> None:
    one = trial()
    again = Trial.from_line(one.to_line())
    assert math.isnan(again.log_loss)
    assert replace(again, log_loss=0.0) == replace(one, log_loss=0.0)
    assert one.to_line().count("\n") == 1


def test_trial_is_known_by_its_configuration_model_and_data() -> None:
    one = trial()
    turned = {"nested": {"a": None, "b": 1}, "features": ["classic"], "seed": 0}
    assert replace(one, configuration=turned, n=7).key == one.key
    assert replace(one, configuration={**one.configuration, "seed": 1}).key != one.key
    assert replace(one, model="other").key != one.key
    assert replace(one, data_sha256="e" * 64).key != one.key


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"configuration": 3}', "null"])
def test_line_without_a_trial_is_refused(line: str) -> None:
    with pytest.raises(DataError, match="no trial"):
        Trial.from_line(line)


@pytest.mark.parametrize(("n", "step", "hours"), [(5_000, MINUTE, 1), (50_000, MINUTE, 12), (3_000, 24 * HOUR, 384)])
def test_calendar_blocks_are_few_and_hold_every_return(n: int, step: int, hours: int) -> None:
    times = 1_718_800_000_000 // step * step + step * np.arange(n)
    returns = np.random.default_rng(0).normal(size=n)
    length, blocks = calendar_blocks(times, returns)
    assert length == hours * HOUR
    assert len(blocks) <= 200
    assert sum(blocks.values()) == pytest.approx(returns.sum())
    assert all(start % length == 0 for start in blocks)
    first = min(blocks)
    assert blocks[first] == pytest.approx(returns[times < first + length].sum())


def test_calendar_blocks_can_be_merged() -> None:
    assert all(longer % shorter == 0 for shorter, longer in pairwise(BLOCK_LENGTHS))


def test_log_keeps_every_trial_once(tmp_path: Path) -> None:
    log = TrialLog(tmp_path / "trials")
    assert log.read(*MARKET).trials == ()
    assert len(log.record(*MARKET, [trial(0), trial(1)]).trials) == 2
    found = log.record(*MARKET, [trial(1), trial(2), trial(2)])
    assert [one.configuration["seed"] for one in found.trials] == [0, 1, 2]
    assert (found.recorded, found.unreadable) == (True, 0)
    assert len((tmp_path / "trials" / found.file).read_text().splitlines()) == 3


def test_log_keeps_markets_intervals_and_origins_apart(tmp_path: Path) -> None:
    log = TrialLog(tmp_path)
    log.record(*MARKET, [trial()])
    for other in [("ETHUSDT", "1m", "binance"), ("BTCUSDT", "1M", "binance"), ("BTCUSDT", "1m", "sim:7")]:
        assert log.read(*other).trials == ()
    names = {log.file_name("BTCUSDT", interval, "file:/a b/../ü").lower() for interval in ("1m", "1M")}
    assert len(names) == 2
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") for name in names)


def test_log_with_a_torn_line_goes_on_and_tells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = TrialLog(tmp_path)
    file = tmp_path / log.record(*MARKET, [trial(0)]).file
    file.write_text(file.read_text() + trial(1).to_line()[:100])
    with caplog.at_level(logging.WARNING):
        found = log.record(*MARKET, [trial(2)])
    assert [one.configuration["seed"] for one in found.trials] == [0, 2]
    assert found.unreadable == 1
    assert "no trial" in caplog.text


def test_log_of_many_writers_loses_no_trial(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: TrialLog(tmp_path).record(*MARKET, [trial(seed, 100)]), range(24)))
    found = TrialLog(tmp_path).read(*MARKET)
    assert {one.configuration["seed"] for one in found.trials} == set(range(24))
    assert found.unreadable == 0


def test_log_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        found = TrialLog(tmp_path / "file" / "trials").record(*MARKET, [trial(0)])
    assert found.recorded is False
    assert len(found.trials) == 1
    assert "not in the trial log" in caplog.text
    assert "--store" not in caplog.text


def test_log_that_may_only_be_read_counts_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = TrialLog(tmp_path)
    log.record(*MARKET, [trial(0)])

    def full(self: LocalFolder, name: str, lines: str) -> None:
        raise OutputError(f"{name}: cannot be written (No space left on device)")

    monkeypatch.setattr(LocalFolder, "append", full)
    found = log.record(*MARKET, [trial(1)])
    assert (found.recorded, len(found.trials)) == (False, 2)


def test_overlapping_trials_are_those_that_share_time() -> None:
    one, later = trial(0), trial(1, start=START + timedelta(minutes=5_000))
    both = logged(one, later)
    assert both.overlapping(one.start, one.end) == (one,)
    assert both.overlapping(one.start, one.end + timedelta(seconds=1)) == (one, later)


def test_single_trial_is_not_deflated() -> None:
    one = trial(edge=0.05)
    found = assess_trials(one, logged(one))
    assert (found.n_trials, found.n_independent, found.expected_maximum) == (1, 1.0, 0.0)
    assert found.deflated_sharpe == found.probabilistic_sharpe
    assert found.pbo is None
    assert found.pbo_reason == "this is the only configuration that was tried over this time"


def test_many_trials_deflate_the_best() -> None:
    trials = [trial(seed) for seed in range(30)]
    best = max(trials, key=lambda one: one.sharpe.ratio)
    found = assess_trials(best, logged(*trials))
    spread = float(np.std([one.sharpe.ratio for one in trials], ddof=1))
    assert found.deflated_sharpe == deflated_sharpe(best.sharpe, 30, spread)
    assert found.deflated_sharpe < 0.9 < found.probabilistic_sharpe
    assert found.is_best
    assert found.n_independent == pytest.approx(30, abs=1)
    assert found.pbo is not None
    assert 0.1 < found.pbo.pbo < 0.9
    assert found.pbo.n_trials == 30


def test_trial_with_skill_stands_out_of_many() -> None:
    trials = [*(trial(seed) for seed in range(20)), good := trial(99, edge=0.15)]
    found = assess_trials(good, logged(*trials))
    assert found.pbo is not None
    assert found.pbo.pbo < 0.01
    assert found.deflated_sharpe > 0.99


def test_trials_alike_count_as_few() -> None:
    one = trial(0)
    alike = [replace(one, configuration={"seed": seed}, log_loss=0.69 + seed / 1e6) for seed in range(5)]
    found = assess_trials(alike[0], logged(*alike))
    assert found.n_trials == 5
    assert found.n_independent == pytest.approx(1)


def test_trials_of_one_outcome_count_once_and_do_not_make_others_look_close() -> None:
    """A setting that nothing uses, tried again and again, is no trial, and must not shrink the spread."""
    trials = [trial(seed, edge=seed / 50) for seed in range(6)]
    again = [replace(trials[-1], configuration={"seed": seed}) for seed in range(100, 160)]
    once, often = assess_trials(trials[-1], logged(*trials)), assess_trials(trials[-1], logged(*trials, *again))
    assert once.n_trials == often.n_trials == 6
    assert often.expected_maximum == pytest.approx(once.expected_maximum)


def test_current_trial_counts_where_the_log_lacks_it() -> None:
    found = assess_trials(trial(0), logged(trial(1), trial(2), recorded=False))
    assert found.n_trials == 3
    assert found.recorded is False


def test_trials_of_little_common_time_are_counted_but_not_compared() -> None:
    current, late = trial(0), trial(1, start=START + timedelta(minutes=2_500))
    found = assess_trials(current, logged(current, late))
    assert found.n_trials == 2
    assert found.pbo is None
    assert found.pbo_reason == "of 2 trials none other was tested on at least 90% of the same time"


def test_blocks_of_different_length_are_merged() -> None:
    short, long = trial(0, 11_000), trial(1, 20_000, START - timedelta(minutes=4_000))
    assert short.block_ms < long.block_ms
    found = assess_trials(short, logged(short, long))
    assert found.pbo is not None
    assert found.pbo.n_trials == 2


def test_trial_that_never_trades_has_no_ratio_but_counts() -> None:
    idle = replace(trial(3), sharpe=sharpe_moments(np.zeros(5_000)), blocks={})
    found = assess_trials(idle, logged(idle, trial(0), trial(1)))
    assert found.n_trials == 3
    assert math.isnan(found.deflated_sharpe)
    assert not found.is_best
    plain = json.loads(json.dumps(without_nan(found.to_dict()), allow_nan=False))
    assert plain["deflated_sharpe"] is None
    assert plain["pbo"]["n_trials"] == 3
