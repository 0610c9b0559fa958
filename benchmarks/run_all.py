"""Run every benchmark that the README quotes, one after the other."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "startup.py",
    "features.py",
    "klines.py",
    "archive.py",
    "store.py",
    "backtest.py",
    "pipeline.py",
    "windows.py",
)


def main() -> None:
    """Run them; the first failure ends it."""
    folder = Path(__file__).parent
    for name in BENCHMARKS:
        print(f"\n## {name}\n", flush=True)
        subprocess.run([sys.executable, str(folder / name)], check=True)


if __name__ == "__main__":
    main()
