"""What a score is worth: baselines and uncertainty."""
