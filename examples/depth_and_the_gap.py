"""The delay of a feature of small rho behind one of large rho, for L = 1 to 6."""

from _network_report import folder, report

from dlnflow.studies.experiments import _experiments as experiments


def main() -> None:
    report(experiments.depth(progress=True), "depth_and_the_gap", folder())


if __name__ == "__main__":
    main()
