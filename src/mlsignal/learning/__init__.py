"""What turns a dataset into trained models: splits, outlier fences, the model registry, training."""
