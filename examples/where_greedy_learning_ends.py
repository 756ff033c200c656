"""From which initialisation on are features no longer learned one at a time? Six decades of it."""

from _network_report import folder, report

from dlnflow.studies.experiments import _experiments as experiments


def main() -> None:
    report(experiments.initialisation(progress=True), "where_greedy_learning_ends", folder())


if __name__ == "__main__":
    main()
