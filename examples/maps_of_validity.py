"""Measure what breaking each assumption costs: eight maps, about two minutes."""

from _network_report import folder, report

from dlnflow.studies import validity

MAPS = (
    validity.commuting,
    validity.balance,
    validity.alignment,
    validity.initialisation,
    validity.learning_rate,
    validity.samples,
    validity.ema,
    validity.decoder_depth,
)


def main() -> None:
    into = folder()
    for measure in MAPS:
        report(measure(progress=True), f"validity_{measure.__name__}", into)


if __name__ == "__main__":
    main()
