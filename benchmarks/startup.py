"""How long `mlsignal --help` takes: the median of several whole processes.

Usage: python benchmarks/startup.py [RUNS]
"""

import sys
from pathlib import Path

from measuring import median, print_rows, run_process


def main(runs: int = 9) -> None:
    """Time it and print the median."""
    command = [str(Path(sys.executable).with_name("mlsignal")), "--help"]
    seconds = [run_process(command).seconds for _ in range(runs)]
    print_rows(["", "seconds (median)"], [["mlsignal --help", f"{median(seconds):.2f}"]])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
