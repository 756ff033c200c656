"""Find the initialisation above which features are no longer learned one at a time."""

from _network_report import folder, report

from dlnflow.studies import experiments


def main() -> None:
    report(experiments.initialisation(progress=True), "where_greedy_learning_ends", folder())


if __name__ == "__main__":
    main()
