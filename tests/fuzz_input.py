"""Random arguments, and the engine that calls functions with them, for tests/test_fuzz.py."""

import array
import copy
import datetime
import inspect
import re
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd

import dlnflow

PLAIN = (ValueError, TypeError)
SMALLEST = np.finfo(np.float64).tiny


class Fault(Exception):
    """What a function did that it must not do."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Refused(Exception):
    """The function refused its arguments as it may, with a ValueError or TypeError."""


def call_text(function, arguments):
    """The call as a person would type it."""
    with np.printoptions(threshold=1000, floatmode="unique"):
        inner = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"{getattr(function, '__qualname__', function)}({inner})"


def attempt(function, arguments, *, allowed_warnings=(), allowed_errors=()):
    """The value of a call that neither warns, nor raises but as it may, nor changes its input."""
    before = {name: fingerprint(value) for name, value in arguments.items()}
    text = call_text(function, arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in allowed_warnings:
            warnings.simplefilter("ignore", category)
        try:
            value = function(**arguments)
        except Warning as warning:
            raise Fault("warns", f"{type(warning).__name__}: {warning} from {text}") from warning
        except allowed_errors as error:
            raise Refused(str(error)) from error
        except Exception as error:
            refusal(function, arguments, error)
    changed = [name for name, value in arguments.items() if fingerprint(value) != before[name]]
    if changed:
        raise Fault("changes its input", f"{changed} in {text}")
    return value


def refusal(function, arguments, error):
    """`Refused` for a plain error that names an argument, `Fault` for any other."""
    text = f"{type(error).__name__}: {error} from {call_text(function, arguments)}"
    ours = type(error).__module__.startswith("dlnflow") and isinstance(error, PLAIN)
    if type(error) not in PLAIN and not ours:
        raise Fault("raises", text) from error
    names = {*arguments, *parameters(function), "target_layer"}
    if not any(re.search(rf"\b{re.escape(name)}\b", str(error)) for name in names):
        raise Fault("names no argument", text) from error
    raise Refused(str(error)) from error


def parameters(function):
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def fingerprint(value):
    """Enough of a value to see that it was changed."""
    if isinstance(value, np.ndarray):
        plain = value.view(np.ndarray)
        content = repr(plain.tolist()) if plain.dtype.kind == "O" else plain.tobytes()
        return value.shape, value.dtype.str, value.strides, content
    if isinstance(value, int | float | list | tuple | str | pd.Series | np.generic):
        return repr(value)
    return None


def valid(function, *, allowed_warnings=(), allowed_errors=(), **arguments):
    """The value of a call that must succeed."""
    try:
        return attempt(
            function,
            arguments,
            allowed_warnings=allowed_warnings,
            allowed_errors=allowed_errors,
        )
    except Refused as error:
        text = f"{error} from {call_text(function, arguments)}"
        raise Fault("refuses valid input", text) from error


def invalid(function, *, allowed_warnings=(), **arguments):
    """Fault unless the call is refused."""
    try:
        value = attempt(function, arguments, allowed_warnings=allowed_warnings)
    except Refused:
        return
    raise Fault("accepts invalid input", f"{call_text(function, arguments)} gives {value!r:.80}")


def expect(holds, kind, text):
    if not holds:
        raise Fault(kind, text)


def no_nan(kind, value, text):
    """Fault if there is NaN anywhere in numbers, frames or records of them."""
    if isinstance(value, pd.DataFrame):
        value = value.select_dtypes("number")
    expect(not np.isnan(np.asarray(value, dtype=np.float64)).any(), kind, text)


def log_uniform(rng, low, high, shape=()):
    return 10.0 ** rng.uniform(np.log10(low), np.log10(high), shape)


def pick(rng, items):
    """One of several things of any type."""
    return items[int(rng.integers(len(items)))]


def objective(rng, L):
    """An objective that every encoder depth in ``L`` has."""
    layer = int(rng.integers(0, np.min(L) + 1))
    return pick(
        rng,
        [
            "jepa",
            "mae",
            "JEPA",
            dlnflow.JEPA,
            dlnflow.MAE,
            f"layer-{layer}",
            dlnflow.Objective(target_layer=layer),
            dlnflow.Objective(np.int16(layer)),
        ],
    )


def clock(rng):
    lr = float(log_uniform(rng, 1e-6, 1e2))
    return pick(
        rng,
        [
            "paper",
            "network",
            dlnflow.Training(lr=lr),
            dlnflow.Training(lr=lr, loss="sum"),
            dlnflow.Training(lr=lr, loss="mean", outputs=int(rng.integers(1, 1000))),
        ],
    )


SHAPES = ((), (), (), (1,), (3,), (2, 3), (2, 1, 2))


def part(rng, shape):
    """A shape that broadcasts into ``shape``."""
    cut = shape[int(rng.integers(0, len(shape) + 1)) :] if rng.random() < 0.5 else shape
    return tuple(1 if rng.random() < 0.2 else size for size in cut)


def depth(rng, shape):
    if rng.random() < 0.03:
        return rng.integers(1, 501, shape)
    return rng.integers(1, pick(rng, [4, 8, 21]), shape)


def amplitudes(rng, shape):
    """Initial amplitudes."""
    low, high = pick(rng, [(1e-30, 0.5)] * 4 + [(1e-300, 10.0)])
    return log_uniform(rng, low, high, shape)


def magnitudes(rng, shape):
    """Sizes of ``lam`` and ``rho``."""
    low, high = pick(rng, [(0.1, 10.0)] * 5 + [(1e-10, 1e10)] * 3 + [(1e-300, 1e300)])
    return log_uniform(rng, low, high, shape)


def modes(rng, shape):
    """``lam``, ``rho`` and ``variance`` on one branch or on several."""
    if rng.random() < 0.6:
        lam, rho = magnitudes(rng, part(rng, shape)), magnitudes(rng, part(rng, shape))
        sign = pick(rng, [1.0, 1.0, -1.0])
        return {"lam": sign * lam, "rho": sign * rho}
    here = part(rng, shape)
    sign = rng.choice([1.0, -1.0, 0.0], here)
    lam, rho = sign * magnitudes(rng, here), sign * magnitudes(rng, here)
    with np.errstate(all="ignore"):
        implied = lam / np.where(sign == 0.0, 1.0, rho)
    variance = np.where(sign == 0.0, magnitudes(rng, here), implied)
    if not (sign == 0.0).any():
        return {"lam": lam, "rho": rho}
    if not (np.isfinite(variance) & (variance > 0.0)).all() or rng.random() < 0.3:
        variance = np.where(sign == 0.0, np.where(np.isfinite(variance), variance, 1.0), np.nan)
    return {"lam": lam, "rho": rho, "variance": np.where(variance == 0.0, np.nan, variance)}


def network_of(rng, shape):
    """All other arguments of a mode, some left to their default."""
    L = depth(rng, part(rng, shape))
    arguments = {"L": L, "eps": amplitudes(rng, part(rng, shape))}
    if rng.random() < 0.8:
        arguments["objective"] = objective(rng, L)
    if rng.random() < 0.4:
        arguments["decoder_depth"] = rng.integers(1, 7, part(rng, shape))
    if rng.random() < 0.6:
        arguments["clock"] = clock(rng)
    return arguments


def times_near(rng, modes, shape):
    """Times around the transition of one of the modes, and at the ends."""
    scale = 1.0
    try:
        found = np.ravel(dlnflow.critical_time(**modes))
        found = found[np.isfinite(found) & (found > 0.0)]
        scale = float(found[0]) if found.size else float(log_uniform(rng, 1e-3, 1e30))
    except Exception:  # it has its own fuzzer
        scale = float(log_uniform(rng, 1e-3, 1e3))
    with np.errstate(over="ignore"):
        near = scale * (1.0 + rng.choice([-1.0, 1.0], shape) * log_uniform(rng, 1e-15, 1.0, shape))
        far = scale * log_uniform(rng, 1e-4, 1e4, shape)
    ends = rng.choice([0.0, np.inf, SMALLEST, 1e300], shape)
    kind = rng.choice(3, shape, p=[0.45, 0.45, 0.1])
    return np.choose(kind, [near, np.abs(far), ends]) + 0.0


def heights(rng, modes, shape):
    """Amplitudes about ``eps`` and the plateau."""
    eps = float(np.ravel(modes.get("eps", 1e-3))[0])
    rest = eps
    try:
        settings = {n: modes[n] for n in ("objective", "decoder_depth") if n in modes}
        rest = float(np.ravel(dlnflow.plateau(modes["rho"], modes["L"], **settings))[0])
    except Exception:  # it has its own fuzzer
        rest = 1.0
    rest = rest if 0.0 < rest < 1e300 else eps
    between = np.exp(np.log(eps) + rng.random(shape) * np.log(rest / eps))
    close = rest * (1.0 + rng.choice([-1.0, 1.0], shape) * log_uniform(rng, 1e-15, 0.9, shape))
    special = rng.choice([0.0, eps, rest, SMALLEST, 5e-324, 1e300], shape)
    return np.choose(rng.choice(3, shape, p=[0.5, 0.35, 0.15]), [between, close, special]) + 0.0


def fractions(rng, shape):
    edge = rng.choice([1e-300, 1e-16, 0.5, 1.0 - 2.0**-53, 1.0 - 1e-9], shape)
    return np.where(rng.random(shape) < 0.2, edge, rng.uniform(1e-3, 0.999, shape))


# Containers: each makes of an array another thing with the same numbers, or None if it cannot.


def _cast(kind):
    def make(values):
        with np.errstate(all="ignore"):
            cast = values.astype(kind)
        back = cast.astype(np.float64)
        kept = (np.isfinite(back) == np.isfinite(values)) & ((back == 0.0) == (values == 0.0))
        return cast if kept.all() else None

    return make


def _whole(kind):
    def make(values):
        whole = np.isfinite(values).all() and (values == np.floor(values)).all()
        info = np.iinfo(kind)
        inside = whole and values.size and info.min <= values.min() and values.max() <= info.max
        return values.astype(kind) if inside else None

    return make


def _objects(kind):
    def make(values):
        if not np.isfinite(values).all():
            return None
        if not values.ndim:
            return kind(values.item())
        return np.array([kind(one) for one in values.ravel().tolist()], object).reshape(
            values.shape
        )

    return make


def _strided(values):
    if not values.ndim:
        return None
    return np.repeat(values, 2, axis=-1)[..., ::2]


def _read_only(values):
    own = values.copy()
    own.flags.writeable = False
    return own


def _series(values):
    index = [f"mode {i}" for i in range(values.size)]
    return pd.Series(values, index=index) if values.ndim == 1 else None


CONTAINERS = [
    *(_cast(kind) for kind in ("f2", "f4", ">f8", ">f4", np.longdouble)),
    *(_whole(kind) for kind in ("i1", "u1", "i2", "i8", "u8", ">i4")),
    _objects(Fraction),
    _objects(Decimal),
    _objects(float),
    lambda values: values.tolist(),
    lambda values: tuple(values.tolist()) if values.ndim else values.item(),
    lambda values: np.float64(values) if not values.ndim else None,
    lambda values: np.array(values),
    lambda values: np.asfortranarray(values) if values.ndim > 1 else None,
    lambda values: values[::-1].copy()[::-1] if values.ndim else None,
    lambda values: np.ma.masked_array(values),
    lambda values: np.ma.masked_array(values, mask=np.zeros(values.shape, bool)),
    lambda values: memoryview(values.copy()) if values.ndim == 1 and values.size else None,
    lambda values: array.array("d", values.tolist()) if values.ndim == 1 else None,
    lambda values: pd.DataFrame(values) if values.ndim == 2 else None,
    lambda values: pd.Index(values) if values.ndim == 1 else None,
    lambda values: pd.array(values, dtype="Float64") if values.ndim == 1 else None,
    lambda values: [np.array(one) for one in values] if values.ndim else None,
    _strided,
    _read_only,
    _series,
]


def odd(rng, values):
    """The numbers in another container, maybe rounded, and what they then are as plain floats."""
    values = np.asarray(values)
    for _ in range(20):
        made = pick(rng, CONTAINERS)(values)
        if made is not None:
            return made, np.array(made, dtype=np.float64)
    return values, values


# What no numeric argument may be.

NOT_NUMBERS = [
    "x",
    "1.0",
    b"1.0",
    ["1.0"],
    True,
    [True, False],
    np.True_,
    np.array([True]),
    np.array([np.True_, 1.0], dtype=object),
    1j,
    np.array([1.0 + 0j]),
    np.array([np.complex128(1.0 + 2.0j)], dtype=object),
    object(),
    {},
    {1.0},
    {"a": 1.0},
    [[1.0], [1.0, 2.0]],
    [None],
    np.array(None),
    np.datetime64("2020-01-01"),
    np.timedelta64(1, "s"),
    datetime.timedelta(seconds=1),
    datetime.date(2020, 1, 1),
    10**400,
    [10**400],
    Fraction(10**400),
    Decimal("sNaN"),
    np.ma.masked,
    np.ma.masked_array([1.0, 2.0], mask=[False, True]),
    pd.NA,
    pd.NaT,
    pd.Series(["a"]),
    pd.array([1.0, None], dtype="Float64"),
    pd.array([True, False], dtype="boolean"),
    float,
    len,
    (one for one in [1.0]),
    range,
    np.zeros(2, dtype="f8,i4"),
    np.array(["1.0"]),
    np.nan,
    [1.0, np.nan],
    Decimal("NaN"),
    np.array([np.nan], dtype="f2"),
    -np.inf,
    [[[]], 1.0],
    ...,
    NotImplemented,
    slice(1),
]
NOT_OF_KIND = {
    "real": [np.inf, [1.0, np.inf], Decimal("Infinity")],
    "positive": [0.0, -1.0, np.inf, [1.0, 0.0], -0.0, np.array([]), -5e-324, [[-1]]],
    "depth": [0, -1, 1.5, 2**31, np.inf, 1e300, [1, 0], np.uint64(2**63), 0.9999999, []],
    "fraction": [0.0, 1.0, -0.5, 2, [0.5, 1.0], np.inf, np.float32(1.0)],
    "height": [-1.0, -5e-324, np.inf, [1.0, -1.0], [np.inf]],
    "time": [-1.0, -5e-324, [1.0, -1.0]],
    "objective": [
        *(None, 3, "", "layer-", "layer--1", "layer-x", "layer-1.0", "layer-99999999999999999999"),
        *("jepa ", b"jepa", ["jepa"], ("jepa", "mae"), object(), True, 0, 1.5, np.nan, {}, "all"),
        *(dlnflow.Objective, dlnflow.Objective(501), dlnflow.Training(lr=1.0), np.array("jepa")),
        "layer-²",
    ],
    "clock": [
        *(None, "", "Paper", "paper ", b"paper", ["paper"], 3, 1.0, np.nan, object(), {}, True),
        *(dlnflow.Training, np.array(["paper", "network"]), dlnflow.JEPA, "unknown", ("network",)),
    ],
}
KINDS = {
    "lam": "real",
    "rho": "real",
    "variance": "positive",
    "eps": "positive",
    "L": "depth",
    "decoder_depth": "depth",
    "p": "fraction",
    "sigma": "positive",
    "w": "height",
    "t": "time",
    "objective": "objective",
    "clock": "clock",
}


def wrong(rng, name):
    """A value that the argument must not take."""
    kind = KINDS[name]
    own = NOT_OF_KIND[kind]
    if kind in ("objective", "clock"):
        return pick(rng, own)
    value = pick(rng, own if rng.random() < 0.4 else NOT_NUMBERS)
    may_be_missing = name in ("variance", "sigma")
    if may_be_missing and re.search("nan|none", repr(value).lower()):
        return "nan"
    return copy.copy(value) if isinstance(value, list | np.ndarray) else value


def shrink(arguments, fails, rounds=4):
    """Fewer and simpler arguments that still fail."""
    for _ in range(rounds):
        for name in list(arguments):
            better = (simpler for simpler in _simpler(arguments, name) if fails(simpler))
            arguments = next(better, arguments)
    return arguments


def _simpler(arguments, name):
    value = arguments[name]
    yield {key: other for key, other in arguments.items() if key != name}
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim:
        yield from ({**arguments, name: one} for one in np.unique(value)[:6])
        if value.ndim > 1:
            yield {**arguments, name: value.reshape(-1)}
    elif isinstance(value, np.floating | float) and np.isfinite(value) and value != 0.0:
        for digits in ("0", "1", "2", "4"):
            short = float(f"{value:.{digits}e}")
            if short != value or not isinstance(value, float):
                yield {**arguments, name: short}
                if short == value:
                    return
        if type(value) is not float:
            yield {**arguments, name: float(value)}
    elif isinstance(value, np.integer):
        yield {**arguments, name: int(value)}
    elif isinstance(value, int) and not isinstance(value, bool) and value > 1:
        yield from ({**arguments, name: small} for small in {1, 2, value // 2, value - 1})
