"""Arrays of other libraries as NumPy arrays, by the methods that they offer; it imports none."""

from __future__ import annotations

from typing import Any

import numpy as np

# what NumPy reads as it is; masked arrays are among them
PLAIN = (np.ndarray, np.generic, float, int, complex, str, bytes, bytearray, type(None))


def on_host(value: Any) -> Any:
    """The value as NumPy can read it: arrays of other libraries become NumPy arrays.

    Gradients are left behind, and arrays on a device are copied to main memory. Lists are searched
    for such arrays; all else is returned as it is.

    Raises
    ------
    TypeError, ValueError, RuntimeError, BufferError, NotImplementedError
        Whatever the other library says if the array cannot be converted.

    Examples
    --------
    >>> class Tensor:
    ...     def __dlpack__(self, **options):
    ...         return np.arange(3.0).__dlpack__()
    ...     def __dlpack_device__(self):
    ...         return 1, 0
    >>> on_host([Tensor(), 1.0])
    [array([0., 1., 2.]), 1.0]
    """
    if isinstance(value, PLAIN):
        return _standard(value) if isinstance(value, np.ndarray) else value
    if isinstance(value, list | tuple):
        plain = all(isinstance(one, PLAIN) for one in value)
        return value if plain else [on_host(one) for one in value]
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # PyTorch
        return _of_tensor(value.detach().cpu())
    if hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):  # CuPy
        return value.get()
    if hasattr(value, "__array__"):  # JAX, TensorFlow, xarray, pandas, Polars, PyArrow
        return _standard(np.asarray(value))
    if hasattr(value, "to_numpy"):
        return _standard(np.asarray(value.to_numpy()))
    return np.from_dlpack(value) if hasattr(value, "__dlpack__") else value


def _of_tensor(tensor: Any) -> Any:
    """A tensor in main memory without gradient. NumPy has no brain floats, so they are widened."""
    dense = tensor.to_dense() if getattr(tensor, "is_sparse", False) else tensor
    try:
        return np.asarray(dense)
    except TypeError:
        return np.asarray(dense.double())


def _standard(array: Any) -> Any:
    """Numbers of an extension type, as the brain floats of JAX, in single precision."""
    kind = array.dtype
    extension = kind.kind == "V" and kind.names is None and not kind.name.startswith("void")
    return array.astype(np.float32) if extension else array
