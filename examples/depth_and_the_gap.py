"""Measure how much later a feature of small rho is learned than one of large rho, L = 1 to 6."""

from _network_report import folder, report

from dlnflow.studies import experiments


def main() -> None:
    report(experiments.depth(progress=True), "depth_and_the_gap", folder())


if __name__ == "__main__":
    main()
