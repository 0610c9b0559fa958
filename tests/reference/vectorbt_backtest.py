"""The same orders through vectorbt, in an environment of its own: reads an .npz, prints JSON.

Usage: python vectorbt_backtest.py ORDERS.npz, with arrays price and exposure (NaN: no order), and fee, a fraction.
"""

import json
import sys

import numpy as np


def main(path: str) -> None:
    """Print the value of the account after each candle."""
    import pandas as pd
    import vectorbt as vbt

    orders = np.load(path)
    portfolio = vbt.Portfolio.from_orders(
        pd.Series(orders["price"]),
        size=pd.Series(orders["exposure"]),
        size_type="targetpercent",
        val_price=pd.Series(orders["price"]),
        fees=float(orders["fee"]),
        init_cash=1.0,
    )
    print(json.dumps({"value": portfolio.value().tolist()}))


if __name__ == "__main__":
    main(sys.argv[1])
