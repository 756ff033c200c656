"""Ask every question, or those named, and print the figures beside what is allowed."""

from __future__ import annotations

import sys
from importlib import import_module

QUESTIONS = (
    "how_many_exps_is_a_trajectory",
    "how_many_exps_is_a_critical_time",
    "how_much_faster_than_solve_ivp",
    "how_much_do_labels_cost",
    "how_much_memory",
    "how_light_is_the_import",
    "how_long_is_a_derivation",
    "how_near_numpy_is_an_accumulator",
    "how_near_numpy_is_a_parquet_folder",
    "how_often_intervals_cover",
    "how_long_is_an_identification",
    "how_near_its_products_is_a_gradient",
    "how_long_is_a_network",
    "how_much_does_stiffness_cost",
    "how_well_is_real_data_predicted",
    "how_long_are_the_claims",
)


def main() -> None:
    missed = 0
    print(f"{'question':<66}{'figure':>10}   allowed")
    for question in sys.argv[1:] or QUESTIONS:
        for finding in import_module(f"benchmarks.{question}").findings():
            sign = ">=" if finding.larger_is_better else "<="
            verdict = "" if finding.met else "   MISSED"
            missed += not finding.met
            line = f"{finding.question:<66}{finding.figure:>10.2f}   {sign} {finding.allowed:g}"
            print(line + verdict, flush=True)
    print(f"{missed} missed")


if __name__ == "__main__":
    main()
