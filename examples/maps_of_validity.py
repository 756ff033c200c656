"""What does each broken assumption cost? Eight maps, about two minutes."""

from _network_report import folder, report

from dlnflow.studies.validity import _validity as validity


def main() -> None:
    into = folder()
    for name, measure in validity.MAPS.items():
        report(measure(progress=True), f"validity_{name}", into)


if __name__ == "__main__":
    main()
