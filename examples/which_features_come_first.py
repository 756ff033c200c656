"""Train deep linear JEPA and MAE on samples of two distributions, and see what comes first.

In one of them both objectives learn in the same order, in the other in opposite orders.
"""

from _network_report import folder, report

from dlnflow.studies.experiments import _experiments as experiments


def main() -> None:
    report(experiments.order(progress=True), "which_features_come_first", folder())


if __name__ == "__main__":
    main()
