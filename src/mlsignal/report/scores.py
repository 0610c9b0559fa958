"""The scores that the report shows, with a line of explanation each."""

from dataclasses import dataclass

from mlsignal.report.numbers import words


@dataclass(frozen=True)
class ScoreColumn:
    """A score: its name in the metrics, its title and what it says."""

    name: str
    title: str
    explanation: str


ALL_ROWS = (
    ScoreColumn("roc_auc", "AUC", "Chance that a candle before an up is ranked above one before a down. 0.5 is guessing."),
    ScoreColumn("accuracy", "Accuracy", "Share of decisions that came true. Compare with the baselines, not with 0.5."),
    ScoreColumn("balanced_accuracy", "Balanced accuracy", "Mean of the shares right among ups and among downs. 0.5 is guessing."),
    ScoreColumn("f1_up", "F1 (Up)", "Harmonic mean of precision and recall of Up. Always saying up does well at it."),
    ScoreColumn("log_loss", "Log loss", "Surprise of the stated probabilities in nats; lower is better. A coin has 0.6931."),
    ScoreColumn("brier", "Brier", "Mean squared error of the probabilities; lower is better. A coin has 0.25."),
    ScoreColumn("mcc", "MCC", "Matthews correlation of decision and outcome, from −1 to 1. 0 is guessing."),
)

WITHOUT_TIES = (
    ScoreColumn("without_ties.roc_auc", "AUC", "The AUC among candles that moved: a claim of an edge rests on it."),
    ScoreColumn("without_ties.accuracy", "Accuracy", "Share of decisions that came true among candles that moved."),
    ScoreColumn("without_ties.log_loss", "Log loss", "Log loss among candles that moved; lower is better."),
    ScoreColumn(
        "top_decile.accuracy_without_ties",
        "Accuracy, most confident tenth",
        "Share right among the tenth of candles where the model is surest.",
    ),
)


def score_title(name: str) -> str:
    """Return a score's title, its group named.

    Examples
    --------
    >>> score_title("without_ties.roc_auc"), score_title("f1_up"), score_title("new_score")
    ('AUC, ties left out', 'F1 (Up)', 'New score')
    """
    for column in ALL_ROWS:
        if column.name == name:
            return column.title
    for column in WITHOUT_TIES:
        if column.name == name:
            return f"{column.title}, ties left out"
    return words(name.replace(".", " "))
