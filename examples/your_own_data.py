"""Predict from paired samples what a JEPA and an MAE learn first. Put your own data in."""

from __future__ import annotations

import numpy as np

import dlnflow


def paired_samples(n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Five features seen twice through independent noise; the largest is the noisiest."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(n, 5)) * np.sqrt([1.2, 1.1, 1.0, 0.9, 0.8])
    noise = np.sqrt([1.8, 1.1, 0.5, 0.2, 0.05])
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    x, y = (signal + noise * rng.normal(size=(n, 5)) for _ in range(2))
    return x @ rotation.T, y @ rotation.T


def main() -> None:
    spectrum = dlnflow.Spectrum.from_samples(*paired_samples())
    print(spectrum, "\n")
    print(spectrum.to_dataframe().round(3).to_string(index=False), "\n")
    prediction = spectrum.predict(L=5, eps=1e-3)
    print(prediction, "\n")
    for name, part in prediction.items():
        print(f"{name} learns the modes in the order {part.mode[part.order].tolist()}")


if __name__ == "__main__":
    main()
