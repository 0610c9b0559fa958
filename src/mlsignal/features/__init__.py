"""Features: pure functions of the last few candles, the same in training, backtest and live."""
