"""Train a deep linear JEPA and MAE on samples of two distributions, and compare the orders.

On the first distribution both objectives learn in the same order, on the second in opposite orders.
"""

from _network_report import folder, report

from dlnflow.studies import experiments


def main() -> None:
    report(experiments.order(progress=True), "which_features_come_first", folder())


if __name__ == "__main__":
    main()
