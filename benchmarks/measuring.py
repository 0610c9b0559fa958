"""Timing whole processes side by side: alternating runs, medians, peak memory as the operating system counts it."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHARED = Path(os.environ.get("MLSIGNAL_SHARED") or Path(__file__).parents[1].parent / "shared")


@dataclass(frozen=True)
class Measured:
    """One finished process."""

    seconds: float
    peak_mb: float
    stdout: str


def need_shared() -> Path:
    """Return the folder of real candles, or end with what is missing."""
    if not (SHARED / "data").is_dir():
        sys.exit(f"real candles are needed and not at {SHARED}; set MLSIGNAL_SHARED to their folder")
    return SHARED


def run_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end and measure it; a failure ends the benchmark."""
    started = time.perf_counter()
    process = subprocess.Popen(
        list(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    stdout, stderr = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{stderr}")
    return Measured(seconds, 0.0, stdout)


def run_measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command as `run_process` does, through a small parent that reads its peak memory."""
    wrapper = (
        "import json, resource, subprocess, sys, time\n"
        "started = time.perf_counter()\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "seconds = time.perf_counter() - started\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024\n"
        "sys.stderr.write(done.stderr)\n"
        "print(json.dumps([seconds, peak, done.stdout]))\n"
        "sys.exit(done.returncode)\n"
    )
    done = run_process([sys.executable, "-c", wrapper, *command], environment)
    seconds, peak, stdout = json.loads(done.stdout)
    return Measured(seconds, peak, stdout)


def alternate(commands: Mapping[str, Sequence[str]], runs: int) -> dict[str, list[Measured]]:
    """Run every command in turn, `runs` times over."""
    found: dict[str, list[Measured]] = {name: [] for name in commands}
    for number in range(runs):
        for name, command in commands.items():
            measured = run_measured(command)
            found[name].append(measured)
            print(f"run {number + 1} of {runs}: {name} {measured.seconds:.2f} s", file=sys.stderr)
    return found


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(headings) + " |")
    print("|" + "---|" * len(headings))
    for row in rows:
        print("| " + " | ".join(row) + " |")
