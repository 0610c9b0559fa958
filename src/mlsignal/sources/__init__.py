"""Where candles come from: one class each behind the `KlineSource` protocol of `mlsignal.candles`."""
