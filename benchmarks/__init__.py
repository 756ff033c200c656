"""What the library costs, each question a module of its own; `make bench` asks them all.

Times are taken in one process as ratios to a stated baseline, alternating between the two, and the
least of many repeats counts: these numbers survive a noisy machine.
"""
