"""Random calls of every public function, valid and invalid.

Valid input never warns, never gives NaN and never fails; invalid input is refused with a
ValueError or TypeError that names an argument. `DLNFLOW_FUZZ_SECONDS` (600) is shared by the
groups, and within each by its fuzzers. A failure prints what repeats it:

    DLNFLOW_FUZZ_SEED=7 DLNFLOW_FUZZ_CASE=amplitude:12 pytest -m fuzz tests/test_fuzz.py
"""

import contextlib
import functools
import importlib
import os
import time
import traceback
import zlib

import fuzz_input as given
import numpy as np
import pandas as pd
import pytest
import sympy as sp
from fuzz_input import Fault, Refused, attempt, expect, invalid, no_nan, pick, valid

import dlnflow
from dlnflow import claims, data, generative, network, plot, symbolic
from dlnflow.data._estimation import ASYMPTOTIC, BASES

SECONDS = float(os.environ.get("DLNFLOW_FUZZ_SECONDS", "600"))
SEED = int(os.environ.get("DLNFLOW_FUZZ_SEED", time.time_ns() % 2**32))
CASE = os.environ.get("DLNFLOW_FUZZ_CASE", "")
SHARES = {"elementwise": 0.3, "laws": 0.3, "objects": 0.4}
MOST_REPORTED = 3  # failures of one kind from one fuzzer
PACKAGES = ("claims", "data", "generative", "network", "plot", "symbolic")

FUZZERS = {group: {} for group in SHARES}  # group: name: function of a random generator
COVERED = {}  # public name: fuzzer, or why there is none


def fuzzer(group, *covers):
    """Register a function of a random generator, and the public names that it calls."""

    def register(function):
        FUZZERS[group][function.__name__] = function
        COVERED.update(dict.fromkeys(covers, function.__name__))
        return function

    return register


def exempt(reason, *names):
    COVERED.update(dict.fromkeys(names, reason))


# The engine


def generator(name, case):
    return np.random.default_rng([SEED, zlib.crc32(name.encode()), case])


def trouble(function, rng):
    """The fault of one case, None if it has none."""
    try:
        function(rng)
    except Fault as fault:
        return fault
    except Exception as error:  # from the fuzzer's own lines, or a call it did not guard
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Fault("fails outside a check", f"{error!r} at {where.filename}:{where.lineno}")
    return None


def fuzz(fuzzers, seconds):
    """Failures by fuzzer and kind, and the number of cases; each fuzzer gets as much time."""
    spent, cases = dict.fromkeys(fuzzers, 0.0), dict.fromkeys(fuzzers, 0)
    failures = {}
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        name = min(spent, key=spent.get)
        fault = trouble(fuzzers[name], generator(name, cases[name]))
        if fault is not None:
            failures.setdefault((name, fault.kind), []).append((cases[name], str(fault)))
        cases[name] += 1
        spent[name] += time.monotonic() - began
    return failures, cases


def report(failures):
    lines = []
    for (name, kind), found in sorted(failures.items()):
        lines.append(f"{name}: {kind}, {len(found)} times")
        lines += [
            f"  DLNFLOW_FUZZ_SEED={SEED} DLNFLOW_FUZZ_CASE={name}:{case}\n    {text}"
            for case, text in sorted(found, key=lambda one: len(one[1]))[:MOST_REPORTED]
        ]
    return "\n".join(lines)


@pytest.mark.fuzz
@pytest.mark.parametrize("group", SHARES)
def test_nothing_is_found(group):
    if CASE:
        name, case = CASE.split(":")
        if name in FUZZERS[group]:
            FUZZERS[group][name](generator(name, int(case)))
        return
    failures, cases = fuzz(FUZZERS[group], SECONDS * SHARES[group])
    print(f"{group}: {sum(cases.values())} cases, {cases}")
    if failures:
        pytest.fail(report(failures), pytrace=False)


# Group 1: elementwise functions

FIRST = {  # functions of modes, by the argument that stands before them
    "amplitude": "t",
    "learned_fraction": "t",
    "sensitivities": "t",
    "hitting_time": "w",
    "velocity": "w",
    "critical_time": "p",
    "critical_time_remainder": "p",
    "critical_time_published": None,
    "plateau": None,
    "probe_r2": "t",
}
DRAW = {"t": given.times_near, "w": given.heights}


def arguments_of(rng, name):
    """Valid arguments of an elementwise function, plain arrays."""
    shape = pick(rng, given.SHAPES)
    drawn = {**given.modes(rng, shape), **given.network_of(rng, shape)}
    first = FIRST[name]
    if first in DRAW:
        own = pick(rng, [shape, shape, (), (4, *shape), (0, *shape)])
        drawn[first] = DRAW[first](rng, drawn, own)
    elif first == "p" and rng.random() < 0.7:
        drawn["p"] = given.fractions(rng, given.part(rng, shape))
    if name == "probe_r2":
        for noise in pick(rng, [(), ("p",), ("sigma",), ("p", "sigma")]):
            drawn[noise] = given.fractions(rng, given.part(rng, shape))
    if "published" in name or "remainder" in name:
        drawn.pop("decoder_depth", None)
        drawn["objective"] = pick(rng, ["jepa", "mae"])
    if name == "sensitivities":
        drawn["t"] = np.where(np.isinf(drawn["t"]), 1.0, drawn["t"])
        if "variance" in drawn:
            drawn |= {"lam": np.abs(drawn["lam"]) + 0.1, "rho": np.abs(drawn["rho"]) + 0.1}
    taken = given.parameters(getattr(dlnflow, name))
    return {key: value for key, value in drawn.items() if key in taken}


def numeric(arguments):
    return {n: v for n, v in arguments.items() if n not in ("objective", "clock")}


def parts_of(result):
    return tuple(result) if isinstance(result, tuple) else (result,)


def check_result(function, arguments):
    """Call with valid arguments and check what comes back; `Refused` for extremes."""
    result = attempt(function, arguments)
    text = given.call_text(function, arguments)
    shape = np.broadcast_shapes(*(np.shape(v) for v in numeric(arguments).values()))
    for one in parts_of(result):
        expect(np.shape(one) == shape, "wrong shape", f"{np.shape(one)} from {text}")
        expect(isinstance(one, np.float64 | np.ndarray), "wrong type", f"{type(one)} from {text}")
        expect(one.dtype == np.float64, "wrong dtype", f"{one.dtype} from {text}")
        no_nan("gives NaN", one, text)
        shared = [n for n, v in arguments.items() if np.shares_memory(one, np.asarray(v))]
        expect(not shared, "shares memory", f"with {shared}, {text}")
    return result


def element(arguments, shape, index):
    """The arguments of one element of the result."""
    return {
        name: np.broadcast_to(value, shape)[index][()] if np.ndim(value) else value
        for name, value in arguments.items()
    }


def check_scalars(function, arguments):
    """An array gives, to the last digit, what its elements give; one refused, the other too."""
    shape = np.broadcast_shapes(*(np.shape(v) for v in numeric(arguments).values()))
    if not shape or 0 in shape:
        with contextlib.suppress(Refused):
            check_result(function, arguments)
        return
    try:
        whole = parts_of(check_result(function, arguments))
    except Refused as refused:
        whole, why = None, refused
    text = given.call_text(function, arguments)
    refusals = 0
    for index in np.ndindex(shape):
        try:
            single = parts_of(check_result(function, element(arguments, shape, index)))
        except Refused as error:
            expect(whole is None, "scalar refused", f"{index} of {text}: {error}")
            refusals += 1
            continue
        for array, scalar in zip(whole or (), single, strict=False):
            same = array[index] == scalar
            expect(same, "scalar differs", f"{index} of {text}: {array[index]} and {scalar}")
    expect(
        whole is not None or refusals, "only the array is refused", "" if whole else f"{why} {text}"
    )


def check_odd(rng, function, arguments):
    """Other containers of the same numbers give the same."""
    name = pick(rng, sorted(numeric(arguments)))
    value, plain = given.odd(rng, arguments[name])
    try:
        expected = check_result(function, {**arguments, name: plain})
    except Refused:
        with contextlib.suppress(Refused):
            attempt(function, {**arguments, name: value})
        return
    made = valid(function, **{**arguments, name: value})
    text = given.call_text(function, {**arguments, name: value})
    for one, other in zip(parts_of(made), parts_of(expected), strict=True):
        expect(np.asarray(one).dtype == np.float64, "wrong dtype", text)
        same = np.array_equal(one, other)
        expect(same, "container matters", f"{text} gives {one}, plain {other}")


def check_wrong(rng, function, arguments):
    """One argument that is wrong, or shapes that do not broadcast."""
    if rng.random() < 0.15:
        first, second = rng.choice(sorted(numeric(arguments)), 2, replace=False)
        ones = {first: spread(arguments[first], 5), second: spread(arguments[second], 4)}
        rest = {n: np.ravel(v)[0] for n, v in numeric(arguments).items() if np.size(v)}
        invalid(function, **{**arguments, **rest, **ones})
        return
    name = pick(rng, sorted(given.KINDS.keys() & arguments.keys()))
    invalid(function, **{**arguments, name: given.wrong(rng, name)})


def spread(value, size):
    first = np.ravel(value)[0] if np.size(value) else 0.5
    return np.full(size, first)


def elementwise(name, rng):
    function = getattr(dlnflow, name)
    arguments = arguments_of(rng, name)
    check = pick(rng, [check_scalars, check_scalars, check_odd, check_wrong])
    if check is not check_scalars:
        check(rng, function, arguments)
        return
    try:
        check_scalars(function, arguments)
    except Fault as fault:
        raise simplest(check_scalars, function, arguments, fault) from fault


def simplest(check, function, arguments, fault):
    """The same fault from simpler arguments."""
    found = [fault]

    def fails(simpler):
        try:
            check(function, simpler)
        except Fault as other:
            if other.kind == fault.kind:
                found.append(other)
                return True
        except (Refused, ValueError):  # too much was taken away
            return False
        return False

    given.shrink(arguments, fails)
    return found[-1]


for _name in FIRST:
    FUZZERS["elementwise"][_name] = functools.partial(elementwise, _name)
    COVERED[f"dlnflow.{_name}"] = _name


# Group 2: laws. Where both sides round, they are compared as the library states its errors: the
# value itself by VALUE, or the value of a time within TIME.

VALUE, TIME = 1e-12, 1e-12
BACK = 1e-14  # a step against the order of time that rounding may take, relative


def one_mode(rng, *, growth=False):
    """One mode, mostly within the range that the library states its accuracy for."""
    wide = rng.random() < 0.25
    L = int(rng.integers(1, 120 if wide else 21))
    mode = {
        "L": L,
        "eps": float(
            given.log_uniform(
                rng, *(1e-290, 10.0) if wide else pick(rng, [(1e-30, 0.5), (1e-4, 5.0)])
            )
        ),
        "objective": given.objective(rng, L),
        "decoder_depth": int(rng.integers(1, 7)),
        "clock": given.clock(rng),
    }
    low, high = (1e-10, 1e10) if wide else pick(rng, [(0.1, 10.0), (1e-3, 1e3)])
    lam, rho, s = (float(given.log_uniform(rng, low, high)) for _ in range(3))
    sign = 1.0 if growth else pick(rng, [1.0, 1.0, -1.0, 0.0])
    mode |= {"lam": sign * lam, "rho": sign * rho}
    return mode if sign else {**mode, "variance": s}


def settings(mode):
    return {n: mode[n] for n in ("objective", "decoder_depth")}


def rest_of(mode):
    return valid(dlnflow.plateau, rho=mode["rho"], L=mode["L"], **settings(mode))


def span(rng, mode, count=40):
    """Rising finite times that see the mode move."""
    t = np.ravel(given.times_near(rng, mode, (count,)))
    w = dlnflow.amplitude(0.0, **mode)
    target = np.linspace(0.01, 0.99, 20) * (rest_of(mode) - w) + w
    with contextlib.suppress(ValueError):
        t = np.concatenate([t, dlnflow.hitting_time(target, **mode)])
    return np.unique(t[np.isfinite(t) & (t < 1e307)])


def accepted(function, **arguments):
    """The value, or None where the mode is refused as beyond the range of floats."""
    try:
        return attempt(function, arguments)
    except Refused:
        return None


@fuzzer("laws")
def amplitude_is_monotone(rng):
    """Time order is preserved, on every branch, and the plateau never passed."""
    mode = one_mode(rng)
    t = np.concatenate([span(rng, mode), [np.inf]])
    if rng.random() < 0.5:
        t = np.unique(np.concatenate([t, np.nextafter(t, np.inf), t * (1.0 + 1e-13)]))
    w = accepted(dlnflow.amplitude, t=t, **mode)
    if w is None:
        return
    text = given.call_text("amplitude", mode)
    rest = rest_of(mode)
    if not np.isfinite(rest):  # both ends of a step may then be infinite
        return
    steps = np.diff(w)
    rises = mode["eps"] < rest
    wrong = (steps < -BACK * w[1:]) if rises else (steps > BACK * w[:-1])
    place = int(np.argmax(wrong))
    two = f"t = {t[place : place + 2].tolist()} gives {w[place : place + 2].tolist()}"
    expect(not wrong.any(), "not monotone", f"{two}: {text}")
    low, high = sorted([mode["eps"], float(rest)])
    expect(((w >= low) & (w <= high)).all(), "beyond the ends", f"{w.min()}, {w.max()}: {text}")
    expect(w[-1] == rest, "no plateau at infinity", text)


@fuzzer("laws")
def learned_fraction_is_monotone(rng):
    mode = one_mode(rng)
    t = np.concatenate([span(rng, mode), [np.inf]])
    q = accepted(dlnflow.learned_fraction, t=t, **mode)
    if q is None or mode["rho"] == 0.0 or not np.isfinite(q).all() or q[0] == 0.0:
        return
    steps = np.diff(q)
    falls = mode["rho"] > 0.0 and q[0] > 1.0
    back = BACK * (1.0 + abs(np.log(np.abs(q[0])))) * np.abs(q[:-1])
    wrong = steps > back if falls else steps < -back
    place = int(np.argmax(wrong))
    two = f"t = {t[place : place + 2].tolist()} gives {q[place : place + 2].tolist()}"
    expect(not wrong.any(), "not monotone", f"{two}: {given.call_text('learned_fraction', mode)}")


@fuzzer("laws")
def learned_fraction_is_a_power_of_the_amplitude(rng):
    mode = one_mode(rng)
    t = span(rng, mode)
    q = accepted(dlnflow.learned_fraction, t=t, **mode)
    w = accepted(dlnflow.amplitude, t=t, **mode)
    if q is None or w is None or mode["rho"] == 0.0:
        return
    chosen = objective_of(mode["objective"])
    gap = chosen.gap(mode["L"], mode["decoder_depth"])
    seen = (w > 1e-300) & (np.abs(q) > 1e-300)
    t, q, w = t[seen], q[seen], w[seen]
    log_q = gap / mode["L"] * np.log(w) - np.log(abs(mode["rho"]))
    tolerance = 1e-12 * (1.0 + np.abs(np.log(w)) + abs(np.log(abs(mode["rho"]))))
    apart = np.abs(np.log(np.abs(q)) - log_q) > tolerance
    text = f"{given.call_text('learned_fraction', {'t': t[apart][:1], **mode})}"
    expect(not apart.any(), "q is not u**k / rho", text)


def objective_of(name):
    """An objective from its name, by the library's public face alone."""
    if isinstance(name, dlnflow.Objective):
        return name
    word = name.lower()
    known = {"jepa": dlnflow.JEPA, "mae": dlnflow.MAE}
    return known[word] if word in known else dlnflow.Objective(int(word[6:]))


@fuzzer("laws")
def hitting_time_inverts_amplitude(rng):
    mode = one_mode(rng)
    t = span(rng, mode)
    w = accepted(dlnflow.amplitude, t=t, **mode)
    if w is None:
        return
    t, w = t[np.isfinite(w)], w[np.isfinite(w)]
    rises = rest_of(mode) > mode["eps"]
    early, late = (w * (1.0 - VALUE), w * (1.0 + VALUE))
    early, late = (early, late) if rises else (late, early)
    inside = (w > 1e-290) & (np.minimum(early, late) > min(mode["eps"], rest_of(mode)))
    lower = valid(dlnflow.hitting_time, w=early, **mode)
    upper = valid(dlnflow.hitting_time, w=late, **mode)
    start = (early <= mode["eps"]) if rises else (early >= mode["eps"])
    lower = np.where(start | np.isinf(lower), 0.0, lower)
    wrong = inside & ~((lower * (1.0 - TIME) <= t) & (t <= upper * (1.0 + TIME)))
    i = int(np.argmax(wrong))
    text = given.call_text("amplitude", {"t": t[i], **mode})
    expect(not wrong.any(), "no inverse", f"{w[i]} hit in {lower[i]} to {upper[i]}: {text}")


@fuzzer("laws")
def flows_compose(rng):
    """Going on from where the mode stands is going on."""
    mode = one_mode(rng)
    t = span(rng, mode)
    first, second = float(pick(rng, t)), float(pick(rng, t))
    middle = accepted(dlnflow.amplitude, t=first, **mode)
    if middle is None or not 1e-290 < middle < 1e290:
        return
    ways = []
    for sign in (-1.0, 1.0):
        at_once = accepted(dlnflow.amplitude, t=(first + second) * (1.0 + sign * TIME), **mode)
        again = {**mode, "eps": middle * (1.0 + sign * VALUE)}
        on = accepted(dlnflow.amplitude, t=second * (1.0 + sign * TIME), **again)
        if on is None or at_once is None:
            return
        ways.append((at_once, on))
    (a, b), (c, d) = (sorted(way) for way in zip(*ways, strict=True))
    text = given.call_text("amplitude", {"t": [first, second], **mode})
    meet = a * (1.0 - VALUE) <= d * (1.0 + VALUE) and c * (1.0 - VALUE) <= b * (1.0 + VALUE)
    rest = rest_of(mode)
    side = np.sign(mode["eps"] - rest)
    across = any(side * (middle * (1.0 + e) - rest) <= 0.0 for e in (-VALUE, VALUE))
    expect(meet or across, "flows do not compose", f"{[a, b]} and {[c, d]}: {text}")


@fuzzer("laws")
def clocks_are_in_proportion(rng):
    mode = one_mode(rng, growth=True)
    rate, L = float(given.log_uniform(rng, 1e-3, 1e3)), mode["L"]
    units = {"network": 1.0, "paper": L, dlnflow.Training(lr=rate): 1.0 / rate}
    times = [accepted(dlnflow.critical_time, **{**mode, "clock": clock}) for clock in units]
    if None in times or not np.isfinite(times).all():
        return
    scaled = [time / unit for time, unit in zip(times, units.values(), strict=True)]
    text = given.call_text("critical_time", mode)
    expect(np.allclose(scaled, scaled[0], rtol=1e-14, atol=0.0), "clocks differ", text)


@fuzzer("laws")
def critical_time_is_when_the_fraction_is_reached(rng):
    mode = one_mode(rng, growth=True)
    p = float(given.fractions(rng, ()))
    when, rest = accepted(dlnflow.critical_time, p=p, **mode), rest_of(mode)
    if when is None or not np.isfinite(when) or p > 0.999 or p < 1e-3:
        return
    text = given.call_text("critical_time", {"p": p, **mode})
    if when == 0.0:
        expect(mode["eps"] >= p * rest * (1.0 - VALUE), "zero too soon", text)
        return
    early = valid(dlnflow.amplitude, t=when * (1.0 - TIME), **mode) * (1.0 - VALUE)
    late = valid(dlnflow.amplitude, t=when * (1.0 + TIME), **mode) * (1.0 + VALUE)
    expect(early <= p * rest <= late, "not when reached", f"{early} {p * rest} {late}: {text}")


@fuzzer("laws")
def the_remainder_is_what_is_left(rng):
    mode = one_mode(rng, growth=True) | {"objective": pick(rng, ["jepa", "mae"])}
    del mode["decoder_depth"]
    p = float(rng.uniform(0.05, 0.95))
    exact = accepted(dlnflow.critical_time, p=p, **mode)
    published = accepted(dlnflow.critical_time_published, **mode)
    left = accepted(dlnflow.critical_time_remainder, p=p, **mode)
    if None in (exact, published, left) or not exact or not np.isfinite([exact, published]).all():
        return
    apart = abs(exact - published - left)
    bound = 1e-11 * max(abs(exact), abs(published), abs(left))
    text = given.call_text("critical_time_remainder", {"p": p, **mode})
    expect(apart <= bound, "not the remainder", f"{exact} - {published} is not {left}: {text}")


@fuzzer("laws")
def velocity_is_the_amplitudes_slope(rng):
    mode = one_mode(rng)
    t = float(pick(rng, span(rng, mode)))
    w = accepted(dlnflow.amplitude, t=t, **mode)
    if w is None or not 1e-250 < w < 1e250:
        return
    known = {n: v for n, v in mode.items() if n != "eps"}
    v = accepted(dlnflow.velocity, w=w, **known)
    distance = min(w, abs(w - rest_of(mode)))
    if v is None or not abs(v) > 1e-290 or distance < 1e-3 * w:
        return
    step = 1e-4 * distance / abs(v)
    if not 1e-7 * t < step < 0.3 * t or not np.isfinite(step):
        return
    slope = difference(lambda x: dlnflow.amplitude(x, **mode), t, step)
    text = given.call_text("velocity", {"w": w, **known})
    expect(abs(slope - v) <= 1e-5 * abs(v), "not the slope", f"{v}, difference {slope}: {text}")


def difference(function, at, step):
    """Central difference of fourth order."""
    near = function(at + step) - function(at - step)
    far = function(at + 2.0 * step) - function(at - 2.0 * step)
    return (8.0 * near - far) / (12.0 * step)


@fuzzer("laws")
def sensitivities_are_differences(rng):
    mode = one_mode(rng)
    if mode["rho"] == 0.0:
        return
    t = float(pick(rng, span(rng, mode)))
    s = accepted(dlnflow.sensitivities, t=t, **mode)
    if s is None or not 1e-250 < s.w < 1e250 or t == 0.0:
        return
    rest = rest_of(mode)
    if min(abs(s.w - rest), abs(mode["eps"] - rest)) < 1e-2 * rest:
        return
    text = given.call_text("sensitivities", {"t": t, **mode})
    for name in ("lam", "rho", "eps"):
        with np.errstate(over="ignore"):
            relative, in_time = getattr(s, name) * mode[name] / s.w, abs(t * s.t / s.w)
        step = 1e-4 / max(1.0, abs(relative), in_time)
        if step < 1e-9 or (TIME * in_time + 1e-13) / step > 1e-5 * abs(relative):
            continue

        def shifted(change, name=name):
            moved = {**mode, name: mode[name] * np.exp(change)}
            return np.log(dlnflow.amplitude(t, **moved) / s.w)

        slope = difference(shifted, 0.0, step)
        close = abs(slope - relative) <= 1e-4 * abs(relative)
        expect(close, "not the derivative", f"{name}: {relative}, difference {slope}: {text}")
    v = accepted(dlnflow.velocity, w=s.w, **{n: x for n, x in mode.items() if n != "eps"})
    expect(v is None or np.isclose(v, s.t, rtol=1e-9, atol=1e-300), "not the velocity", text)


# Group 3: objects


def tame(rng, count, *, growth=True):
    """Modes of moderate size, arrays of shape (count,)."""
    lam, rho = (given.log_uniform(rng, 0.2, 5.0, count) for _ in range(2))
    sign = np.ones(count) if growth else rng.choice([1.0, -1.0], count)
    return {"lam": sign * lam, "rho": sign * rho}


def covariance_pair(rng, *, alike=True):
    """``sigma_xx`` and ``sigma_yx`` of many kinds: full, short of rank, commuting, scaled."""
    d = int(rng.integers(1, 6))
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    variance = given.log_uniform(rng, *pick(rng, [(0.5, 2.0), (1e-3, 1e3)]), d)
    variance[rng.random(d) < 0.3] = pick(rng, [0.0, 1.0]) if d > 1 else 1.0
    variance[0] = 1.0
    xx = (basis * variance) @ basis.T
    coefficient = rng.normal(size=(d, d))
    if rng.random() < 0.5:
        coefficient = basis * rng.uniform(-1.0, 1.0, d) @ basis.T
    yx = coefficient @ xx
    if rng.random() < 0.1:
        yx = np.zeros((d, d))
    scale = given.log_uniform(rng, *pick(rng, [(1.0, 1.0001)] * 3 + [(1e-100, 1e100)]))
    xx, yx = (xx + xx.T) / 2.0 * scale, yx * scale
    return (np.asfortranarray(xx), yx.tolist()) if alike and rng.random() < 0.2 else (xx, yx)


def learnable_pair(rng, d):
    """Commuting covariances of tame modes, for networks."""
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    modes = tame(rng, d)
    variance = modes["lam"] / modes["rho"]
    pairs = ((basis * column) @ basis.T for column in (variance, modes["lam"]))
    return tuple((one + one.T) / 2.0 for one in pairs)


def sample_pair(rng):
    n, d = int(rng.integers(2, 60)), int(rng.integers(1, 5))
    x = rng.normal(size=(n, d)) * given.log_uniform(rng, 0.1, 10.0, d) + rng.normal(size=d) * 100
    y = x * rng.uniform(-1.0, 1.0, d) + rng.normal(size=(n, d))
    if rng.random() < 0.2 and d > 1:
        x[:, 0] = 3.0
    scale = given.log_uniform(rng, *pick(rng, [(0.9, 1.1)] * 3 + [(1e-60, 1e60)]))
    kind = pick(rng, ["f8", "f8", "f4", ">f8"]) if 1e-20 < scale < 1e20 else "f8"
    return (x * scale).astype(kind), (y * scale).astype(kind)


def not_matrices(rng, matrix):
    """What a covariance matrix must not be."""
    d = len(matrix)
    holed = np.array(matrix, dtype=np.float64)
    holed[0, 0] = pick(rng, [np.nan, np.inf])
    wide = np.ones((d, d + 1))
    return pick(rng, [holed, wide, np.ones(d), None, "x", [[1j]], [], np.ones((1, d, d)), True, {}])


@fuzzer("objects", "dlnflow.simulate", "dlnflow.Simulation", "dlnflow.Trajectories")
def simulate(rng):
    shape = pick(rng, [(), (2,), (3,), (2, 2)])
    modes = given.modes(rng, shape) | given.network_of(rng, shape)
    modes.pop("objective", None)
    wanted = pick(rng, ["jepa", "mae", ("jepa", "mae"), (dlnflow.MAE, "layer-1")])
    if rng.random() < 0.5:
        modes["t"] = np.unique(given.times_near(rng, modes, (6,)))
        modes["t"] = modes["t"][np.isfinite(modes["t"])]
        if not modes["t"].size:
            modes["t"] = [0.0, 1.0]
    try:
        sim = attempt(dlnflow.simulate, {**modes, "objective": wanted})
    except Refused:
        return
    text = given.call_text("simulate", {**modes, "objective": wanted})
    for name in sim:
        check_trajectories(sim[name], text)
    frame = safely(sim.to_dataframe, text)
    no_nan("NaN in frame", frame.drop(columns="w_over_plateau"), text)
    for part in sim.values():
        unlearned = np.isnan(part.w_over_plateau).all(axis=-1)
        expect(np.array_equal(unlearned, part.plateau == 0.0), "NaN over a plateau", text)
    safely(lambda: (repr(sim), len(sim), sim.get("layer-7"), "mae" in sim, sim.to_xarray()), text)


def safely(call, text):
    """The value of a method that must neither warn nor fail."""
    try:
        return attempt(lambda: call(), {})
    except (Fault, Refused) as error:
        raise Fault("method fails", f"{error} after {text}") from error


def check_trajectories(part, text):
    expect(not np.isnan(part.w).any(), "NaN", text)
    expect(not part.w.flags.writeable and not part.t.flags.writeable, "writeable", text)
    for name in ("learned", "plateau"):
        no_nan(f"NaN in {name}", safely(lambda name=name: getattr(part, name), text), text)
    order = safely(part.learning_order, text)
    expect(sorted(order.tolist()) == list(range(part.rho.size)), "no permutation", text)
    no_nan("NaN", safely(part.critical_time, text), text)
    safely(lambda: repr(part), text)


@fuzzer("objects")
def simulate_by_integration(rng):
    """Both methods agree."""
    L = int(rng.integers(1, 5))
    growth = rng.random() < 0.7
    modes = tame(rng, 1, growth=growth)
    modes |= {"L": L, "eps": float(given.log_uniform(rng, 1e-6, 0.5))}
    modes |= {"objective": given.objective(rng, L), "decoder_depth": int(rng.integers(1, 4))}
    t = span(rng, {n: v[0] if np.ndim(v) else v for n, v in modes.items()}, 5)
    t = t[t < 1e200]  # beyond, a falling mode leaves the range of the integrator
    exact = valid(dlnflow.simulate, t=t, **modes)
    by_ode = valid(dlnflow.simulate, t=t, method="ode", **modes)
    (one,), (other,) = exact.values(), by_ode.values()
    text = given.call_text("simulate", {**modes, "t": t, "method": "ode"})
    check_trajectories(other, text)
    low, high = (
        valid(dlnflow.amplitude, t=t * (1.0 + sign * 1e-8), **modes) for sign in (-1.0, 1.0)
    )
    low, high = np.minimum(low, high) * (1.0 - 1e-8), np.maximum(low, high) * (1.0 + 1e-8)
    far = ~((low <= other.w[0]) & (other.w[0] <= high))
    expect(not far.any(), "methods differ", f"{one.w[0][far]} {other.w[0][far]} {text}")


@fuzzer("objects")
def simulate_wrong(rng):
    modes = tame(rng, 2) | {"L": 2}
    bad = [
        *({"method": m} for m in (None, "", "ODE", 3, ["ode"])),
        *(
            {"t": t}
            for t in ([], [1.0, 1.0], [2.0, 1.0], [[1.0]], 1.0, [np.inf], [np.nan], "x", [-1])
        ),
        *(
            {"objective": o}
            for o in ((), ("jepa", "jepa"), None, 3, [3], ("jepa", dlnflow.JEPA), {})
        ),
    ]
    name = pick(rng, ["lam", "rho", "L", "eps", "decoder_depth", "clock", "variance"])
    bad += [{name: given.wrong(rng, name)}] * 10
    invalid(dlnflow.simulate, **{**modes, **pick(rng, bad)})


@fuzzer("objects", "dlnflow.critical_time_measured", "dlnflow.critical_time_table")
def measured(rng):
    L = int(rng.integers(1, 5))
    modes = tame(rng, 2, growth=False)
    p = float(rng.uniform(0.05, 0.95))
    settings = {"p": p, "eps": float(given.log_uniform(rng, 1e-6, 1.0)), "clock": given.clock(rng)}
    found = valid(dlnflow.critical_time_measured, **modes, L=L, **settings)
    exact = dlnflow.critical_time(**modes, L=L, **settings)
    text = given.call_text("critical_time_measured", {**modes, "L": L, **settings})
    with np.errstate(invalid="ignore"):
        near = (found == exact) | (np.abs(found / exact - 1.0) < 1e-7)
    share = settings["eps"] / (p * np.maximum(dlnflow.plateau(modes["rho"], L), 1e-300))
    near |= np.abs(share - 1.0) < 1e-3
    expect(near.all(), "not the exact time", f"{found} {exact} {text}")
    table = valid(dlnflow.critical_time_table, **modes, L=[L, L + 1], **settings)
    no_nan("NaN in table", table, text)
    name = pick(rng, ["lam", "rho", "L", "eps", "p", "clock", "objective"])
    function = pick(rng, [dlnflow.critical_time_measured, dlnflow.critical_time_table])
    value = given.wrong(rng, name)
    if name == "objective" and function is dlnflow.critical_time_table and np.ndim(value):
        return
    invalid(function, **{**modes, "L": L, **settings, name: value})


@fuzzer("objects", "dlnflow.order_boundaries")
def orders(rng):
    L, P = int(rng.integers(1, 9)), int(rng.integers(1, 4))
    modes = tame(rng, int(rng.integers(1, 5)), growth=False)
    modes["lam"][0], modes["rho"][0] = np.abs([modes["lam"][0], modes["rho"][0]])
    options = {"objective": given.objective(rng, L), "decoder_depth": P}
    table = valid(dlnflow.order_boundaries, **modes, L=L, **options)
    text = given.call_text("order_boundaries", {**modes, "L": L, **options})
    row = table.iloc[int(rng.integers(len(table)))]
    eps = row.eps_to * (1.0 - float(rng.uniform(0.01, 0.1)))
    if eps > max(row.eps_from, 1e-6):
        times = dlnflow.critical_time(**modes, L=L, eps=eps, **options)
        expect((np.diff(times[list(row.order)]) >= -1e-10).all(), "order", f"{eps} {times} {text}")
        expect((times > 0.0).sum() - np.isinf(times).sum() == len(row.order), "left out", text)
    name = pick(rng, ["lam", "rho", "L", "p", "objective", "decoder_depth"])
    value = given.wrong(rng, name)
    if name != "objective" or not np.ndim(value):
        invalid(dlnflow.order_boundaries, **{**modes, "L": L, **options, name: value})


@fuzzer("objects", "dlnflow.Objective")
def objective_methods(rng):
    L, P = int(rng.integers(1, 30)), int(rng.integers(1, 7))
    one = objective_of(given.objective(rng, L))
    k, c = valid(one.gap, L=L, decoder_depth=P), valid(one.order, L=L, decoder_depth=P)
    expect(np.isclose(c * k, 2 * (L + P - 1)), "order", f"{one} {L} {P}")
    lam, rho = given.magnitudes(rng, ()), given.magnitudes(rng, ())
    no_nan("NaN", attempt(one.rate, {"lam": lam, "rho": rho, "L": L, "decoder_depth": P}), f"{one}")
    no_nan("NaN", attempt(one.plateau, {"rho": rho, "L": L, "decoder_depth": P}), f"{one}")
    expect(eval(repr(one), vars(dlnflow)) == one == one.name, "repr", f"{one}")
    name = pick(rng, ["L", "decoder_depth"])
    method = pick(rng, [one.gap, one.order, one.growth_exponent])
    invalid(method, **{"L": L, "decoder_depth": P, name: given.wrong(rng, name)})
    invalid(one.rate, lam=given.wrong(rng, "lam"), rho=rho, L=L)
    invalid(method, L=[L, L], decoder_depth=[P, P, P])
    invalid(one.plateau, rho=given.wrong(rng, "rho"), L=L)
    layers = [-1, 1.5, "x", [1], True, np.nan, 1j, np.array([1]), 10**400 * -1, b"1", object()]
    invalid(dlnflow.Objective, target_layer=pick(rng, layers))


@fuzzer("objects", "dlnflow.Training")
def training_clock(rng):
    lr = pick(rng, [0.1, np.float32(0.1), 1, np.array(0.1), 1e-300, 1e300])
    outputs = pick(rng, [1, 10, np.int64(3), 5.0])
    made = valid(
        dlnflow.Training, lr=lr, loss=pick(rng, ["half-sum", "sum", "mean"]), outputs=outputs
    )
    expect(made.flow_time_per_step >= 0.0, "negative", repr(made))
    expect({made: 1}[made] == 1, "hash", repr(made))
    rates = [0.0, -1.0, np.nan, np.inf, "x", None, [0.1], True, 1j, [], 10**400]
    bad = [
        *({"lr": rate} for rate in rates),
        *({"lr": 0.1, "loss": loss} for loss in (None, "", "Sum", 3, ["sum"])),
        *({"lr": 0.1, "outputs": d} for d in (0, -1, 1.5, "x", [1], np.nan, True)),
        {"lr": 0.1, "loss": "mean"},
    ]
    invalid(dlnflow.Training, **pick(rng, bad))


FEW = (UserWarning,)  # of few samples, and of modes that stand still: documented


@fuzzer("objects", "dlnflow.Spectrum")
def spectrum_from_covariances(rng):
    xx, yx = covariance_pair(rng)
    d = len(xx)
    options = {"basis": pick(rng, BASES)}
    if rng.random() < 0.3:
        options["n"] = int(rng.integers(2, 1000))
    arguments = {"sigma_xx": xx, "sigma_yx": yx, **options}
    made = valid(dlnflow.Spectrum.from_covariances, allowed_warnings=FEW, **arguments)
    text = given.call_text("Spectrum.from_covariances", arguments)
    check_spectrum(rng, made, text)
    if options["basis"] != "generalised":
        gram = made.basis.T @ made.basis
        expect(np.allclose(gram, np.eye(len(gram)), atol=1e-9), "not orthonormal", text)
    name = pick(rng, ["sigma_xx", "sigma_yx"])
    invalid(
        dlnflow.Spectrum.from_covariances,
        allowed_warnings=FEW,
        **{**arguments, name: not_matrices(rng, np.array(xx))},
    )
    bad = [{"basis": b} for b in (None, "", "Variance", 3)]
    bad += [{"n": n} for n in (0, 1, -3, 2.5, "x", [5], np.nan, True)]
    bad += [{"constant": c} for c in (5, None, [d], [-1], [None], [0.5])]
    invalid(
        dlnflow.Spectrum.from_covariances, allowed_warnings=FEW, **{**arguments, **pick(rng, bad)}
    )


def check_spectrum(rng, made, text):
    for name in ("lam", "variance", "rho", "basis", "filters", "coupling"):
        no_nan(f"NaN in {name}", getattr(made, name), text)
    expect((made.variance > 0.0).all(), "variance not positive", text)
    for name in ("commutator", "off_diagonal", "asymmetry", "off_variance"):
        share = getattr(made, name)
        expect(0.0 <= share <= 1.0 + 1e-12, f"{name} not in [0, 1]", f"{share} {text}")
    count = made.lam.size
    few = safely(lambda: made.leading(int(rng.integers(1, count + 1))), text)
    safely(lambda: (repr(made), repr(few), made.cautions, made.to_dataframe(), made.noisy), text)
    L = int(rng.integers(1, 5))
    spread = np.abs(made.lam[made.lam != 0.0])
    if spread.size and spread.min() > 1e-30 and spread.max() < 1e30:
        sim = safely(lambda: made.simulate(L), text)
        check_trajectories(sim["jepa"], text)
    bad = pick(rng, [0, count + 1, -1, 1.5, None, "x", [1], np.nan, True])
    invalid(made.leading, n=bad)


@fuzzer("objects")
def spectrum_from_samples(rng):
    x, y = sample_pair(rng)
    n, d = x.shape
    options = {"basis": pick(rng, BASES)}
    if rng.random() < 0.3:
        options["shrinkage"] = pick(rng, [0.0, 0.1, 0.9, "ledoit-wolf"])
    if n > d + 2 and rng.random() < 0.7:
        options["errors"] = pick(rng, ["asymptotic", "bootstrap"] if n > 10 * d else ["asymptotic"])
        options |= {"resamples": 20, "rng": int(rng.integers(100))}
        if options["errors"] == "asymptotic":
            options["basis"] = pick(rng, ASYMPTOTIC)
    if rng.random() < 0.3:
        options["scale"] = "unit"
    options |= pick(rng, [{}, {"flatten": True}, {"missing": "drop"}])
    heavy = n > 10 * d and options.get("shrinkage") != "ledoit-wolf"
    if heavy and rng.random() < 0.3:
        options["weights"] = rng.gamma(2.0, size=n)
    arguments = {"x": x, "y": y, **options}
    text = given.call_text("Spectrum.from_samples", arguments)
    if (x == x[0]).all():
        return
    try:
        made = attempt(dlnflow.Spectrum.from_samples, arguments, allowed_warnings=FEW)
    except Refused as error:
        no_data = "got 1 from 'ledoit-wolf'" in str(error)
        expect(no_data, "refuses valid input", f"{error} from {text}")
        return
    check_spectrum(rng, made, text)
    if made.errors is not None:
        for name in ("lam", "variance", "rho"):
            interval = safely(lambda name=name: made.interval(name), text)
            no_nan(f"NaN in interval of {name}", interval, text)
            expect((interval[0] <= interval[1]).all(), "interval upside down", text)
        chance = safely(lambda: made.order_probability(2), text)
        no_nan("NaN in order_probability", chance, text)
        close = np.allclose(chance + chance.T, 1.0) and (chance >= 0.0).all()
        expect(close, "no probability", text)
        safely(lambda: (made.below_noise, repr(made.errors), made.to_dataframe()), text)
        invalid(made.interval, name="lam", level=given.wrong(rng, "p"))
        invalid(made.order_probability, L=given.wrong(rng, "L"))
    bad = [{"shrinkage": s} for s in (-0.1, 1.0, "x", np.nan, [0.1], True, 1j)]
    bad += [{"weights": w} for w in (-np.ones(n), np.zeros(n), np.ones(n + 1), "x", np.nan, [[1]])]
    bad += [{"missing": m} for m in (None, "fill", 1)] + [{"scale": s} for s in ("", "std", 1)]
    bad += [{"names": m} for m in ("x" * d, ["a"] * (d + 1))]
    bad += [{"errors": e} for e in ("", "x", 3, True)] + [{"block": b} for b in (0, 1.5, "x", [1])]
    twice = np.vstack([x, x])
    bad += [{"x": b} for b in (x[:, :0], x[:1], twice, None, "x", x * np.nan, x[0], 1j * x)]
    bad += [
        {"errors": "bootstrap", **o} for o in ({"resamples": 1}, {"resamples": "x"}, {"rng": "x"})
    ]
    invalid(dlnflow.Spectrum.from_samples, allowed_warnings=FEW, **{**arguments, **pick(rng, bad)})


@fuzzer("objects", "dlnflow.CovarianceAccumulator", "dlnflow.data.accumulate")
def accumulator(rng):
    """Any division into batches and parts gives the same covariances."""
    x, y = sample_pair(rng)
    whole = valid(data.accumulate, batches=[(x, y)])
    cuts = np.sort(rng.integers(0, len(x) + 1, 3))
    batches = list(zip(np.split(x, cuts), np.split(y, cuts), strict=True))
    parts = [valid(data.accumulate, batches=[one]) for one in batches]
    total = functools.reduce(lambda one, other: one.merge(other), parts)
    text = f"cuts {cuts} of {given.call_text('accumulate', {'x': x, 'y': y})}"
    for one, other in zip(whole.covariances(), total.covariances(), strict=True):
        spread = np.sqrt(np.diag(whole.covariances()[0]) + y.astype(np.float64).var(axis=0))
        close = np.abs(one - other) <= 1e-11 * np.outer(spread, spread) + 1e-300
        expect(close.all(), "batches matter", f"{one} {other} {text}")
    safely(lambda: (repr(total), total.constant, total.mean_x, total.d), text)
    before = whole.covariances()[0]
    bad = [x[:, :0], x[:-1], None, "x", x * np.nan, x[0], 1j * x, x.astype(bool), x * np.inf]
    with np.errstate(all="ignore"):
        invalid(whole.update, x=x, y=pick(rng, bad))
    expect(np.array_equal(before, whole.covariances()[0]), "refused rows left a trace", text)
    invalid(data.accumulate, batches=pick(rng, [None, 3, [3], [(x,)], [(x, y, x, x)], "xy", [x]]))
    invalid(whole.merge, other=pick(rng, [None, whole, 3, "x", x]))


@fuzzer("objects", "dlnflow.data.pairs_from")
def files(rng):
    """Files, whole and damaged: read as they are or refused in a line that names them."""
    import io
    import tempfile
    from pathlib import Path

    x, y = sample_pair(rng)
    kind = pick(rng, ["npy", "npz", "csv"])
    stream = io.BytesIO()
    options = {}
    if kind == "npy":
        np.save(stream, x)
        options["lag"] = 1
    elif kind == "npz":
        pick(rng, [np.savez, np.savez_compressed])(stream, x=x, y=y)
    else:
        columns = {f"{n}{i}": v[:, i] for n, v in (("x", x), ("y", y)) for i in range(x.shape[1])}
        stream.write(pd.DataFrame(columns).to_csv(index=False).encode())
    content = bytearray(stream.getvalue())
    damaged = rng.random() < 0.7
    if damaged:
        for _ in range(int(rng.integers(1, 4))):
            content[int(rng.integers(len(content)))] = int(rng.integers(256))
        content = content[: int(rng.integers(len(content) + 1))] if rng.random() < 0.4 else content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"data.{kind}"
        path.write_bytes(content)
        text = f"{kind} {bytes(content)[:3000]!r}"

        def read(path):
            return data.accumulate(data.pairs_from(path, **options))

        try:
            total = attempt(read, {"path": path}, allowed_warnings=FEW)
        except Refused as error:
            expect(damaged, "refuses valid input", f"{error} {text}")
            return
        except Fault as fault:
            if "names no argument" in str(fault) and "data" in str(fault):
                return
            raise Fault(fault.kind, f"{fault} {text}") from fault
    expect(damaged or total.n == len(x) - (kind == "npy"), "rows lost", text)


@fuzzer("objects", "dlnflow.generative.Static", "dlnflow.generative.Temporal")
def generative_models(rng):
    d = int(rng.integers(1, 5))
    columns = given.log_uniform(rng, *pick(rng, [(0.1, 10.0), (1e-100, 1e100)]), (3, d))
    columns[rng.random((3, d)) < 0.1] = 0.0
    columns[0, 0] = 1.0
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0] if rng.random() < 0.5 else None
    static = valid(generative.Static, signal=columns[0], noise=columns[1], basis=basis)
    memory = rng.uniform(-0.99, 0.99, d)
    made = {"memory": memory, "variance": columns[0], "noise": columns[1], "lag": 2}
    temporal = valid(generative.Temporal.from_features, **made, basis=basis)
    for model in (static, temporal):
        check_model(rng, model)
    wrong = pick(rng, [-1.0, np.nan, "x", None, [[1.0]], 1j, [], np.ones(d + 1) if d > 1 else -2.0])
    invalid(generative.Static, signal=wrong, noise=columns[1])
    invalid(generative.Temporal.from_features, **{**made, "memory": pick(rng, [1.0, -1, 2, "x"])})
    invalid(generative.Temporal, dynamics=not_matrices(rng, np.eye(d)), innovation=np.eye(d))
    invalid(generative.Temporal, dynamics=0.5 * np.eye(d), innovation=not_matrices(rng, np.eye(d)))
    invalid(
        generative.Static,
        signal=columns[0],
        noise=columns[1],
        basis=pick(rng, ["x", 3.0, [[1j]], 2.0 * np.eye(d), np.ones((d, d + 1)), {}]),
    )


def check_model(rng, model):
    text = repr(model)
    xx, yx = safely(model.covariances, text)
    no_nan("NaN", xx, text)
    no_nan("NaN", yx, text)
    x, y = safely(lambda: model.sample(3, rng=1), text)
    expect(x.shape == y.shape == (3, len(xx)), "wrong shape", text)
    no_nan("NaN in samples", x, text)
    invalid(model.sample, n=pick(rng, [0, -1, 1.5, "x", None, [3], np.nan, True]))
    invalid(model.sample, n=3, rng=pick(rng, ["x", -1, 1.5, {}]))
    if 1e-90 < np.trace(xx) < 1e90:
        safely(lambda: repr(model.spectrum()), text)


@fuzzer("objects", "dlnflow.generative.MaskedTokens", "dlnflow.data.Masks")
def generative_tokens(rng):
    grid = rng.integers(1, 4, 2).tolist()
    context = float(rng.uniform(0.1, 0.9))
    shares = {"context": context, "target": float(rng.uniform(0.05, 1.0 - context))}
    together = bool(rng.random() < 0.5)
    if together and np.prod(grid) < 2:
        grid = [2, 1]
    scales = {
        f"{n}_scale": tuple(np.sort(rng.uniform(0.01, 1.0, 2))) for n in ("context", "target")
    }
    masks = valid(data.Masks.random, grid=grid, **shares, disjoint=together)
    if rng.random() < 0.5:
        count = int(rng.integers(1, 4))
        masks = valid(data.Masks.blocks, grid=grid, **scales, targets=count, disjoint=together)
    if rng.random() < 0.3:
        masks = valid(masks.tubes, frames=2)
    for probability in (masks.context, masks.target):
        expect((probability >= 0.0).all() and (probability <= 1.0).all(), "no share", repr(masks))
    k = int(rng.integers(1, 3))
    root = rng.normal(size=(masks.tokens * k, masks.tokens * k))
    model = valid(generative.MaskedTokens, covariance=root @ root.T, masks=masks)
    x, y = valid(model.sample, n=5)
    expect(x.shape == y.shape == (5, len(root)), "shape", repr(model))
    valid(masks.pairs, tokens=rng.normal(size=(4, *masks.grid, k)))
    wrong = pick(rng, [None, "x", 0.0, 1.0, -1, np.nan, [0.5, 0.5]])
    invalid(data.Masks.random, grid=grid, **{**shares, pick(rng, sorted(shares)): wrong})
    invalid(
        data.Masks.blocks, grid=grid, context_scale=pick(rng, [0.5, (0.0, 1.0), (1.0, 2.0), "x"])
    )
    invalid(data.Masks.blocks, grid=pick(rng, [3, (1, 2, 3), (0, 1), "x", None, 1.5]))
    invalid(
        masks.pairs, tokens=pick(rng, [root[0], None, "x", np.full((2, *masks.grid, 1), np.nan)])
    )
    invalid(generative.MaskedTokens, covariance=root @ root.T, masks=pick(rng, [None, 3, grid]))


@fuzzer("objects", "dlnflow.data.frames", "dlnflow.data.patches")
def images(rng):
    sides, grid = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    batch = rng.normal(size=(int(rng.integers(2, 5)), *(sides * grid), *pick(rng, [(), (3,)])))
    tokens = valid(data.patches, images=pick(rng, [batch, batch.tolist()]), size=sides)
    expect(tokens.shape[:3] == (len(batch), *grid), "shape", f"{tokens.shape}")
    expect(np.isclose(tokens.sum(), batch.sum()), "sum", f"{tokens.shape}")
    x, y = data.frames(batch, batch, lag=1)
    expect(len(x) == len(y) == 2 * len(batch) - 2, "pairs", f"{x.shape}")
    invalid(data.patches, images=batch, size=pick(rng, [[7, 11], 0, -1, "x", None, [[1]], 1.5]))
    invalid(data.patches, images=pick(rng, [batch[0, 0, 0], None, "x", 3.0]), size=1)
    invalid(lambda videos, lag: data.frames(*videos, lag=lag), videos=[batch], lag=len(batch))


@fuzzer("objects", "dlnflow.generative.Masking", "dlnflow.generative.noisy_features")
def generative_masking(rng):
    count = int(rng.integers(1, 4))
    context = float(rng.uniform(0.05, 0.9))
    odds = {"context": context, "target": float(rng.uniform(0.02, 1.0 - context))}
    blocks = {
        "sizes": rng.integers(1, 4, count),
        "correlation": rng.uniform(0.0, 1.0, count),
        "variance": given.log_uniform(rng, 0.1, 10.0, count),
    }
    check_model(rng, valid(generative.Masking.from_blocks, **blocks, **odds))
    eigenvalues = given.log_uniform(rng, 0.1, 10.0, count + 1)
    turn = pick(rng, ["equal", np.eye(count + 1)])
    made = {"eigenvalues": eigenvalues, "rotation": turn, **odds}
    check_model(rng, valid(generative.Masking.from_eigenvalues, **made))
    invalid(generative.Masking.from_eigenvalues, **{**made, "rotation": pick(rng, ["x", 3, [1.0]])})
    wrong = pick(rng, [0.0, 1.0, -1.0, "x", None, np.nan, [0.5], 1j, True])
    invalid(generative.Masking, covariance=np.eye(2), **{**odds, pick(rng, sorted(odds)): wrong})
    invalid(generative.Masking, covariance=not_matrices(rng, np.eye(2)), **odds)
    invalid(generative.noisy_features, kind=pick(rng, [None, "", "x", 3, ["static"]]))
    made = valid(generative.noisy_features, kind=pick(rng, ["static", "temporal"]))
    safely(
        lambda: (repr(made), made.learning_order("jepa"), made.critical_times("mae")), repr(made)
    )
    with contextlib.suppress(Refused):
        attempt(made.critical_times, {"objective": pick(rng, given.NOT_OF_KIND["objective"])})


@fuzzer("objects", "dlnflow.identify", "dlnflow.identify_each")
def identification(rng):
    count, L = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    modes = tame(rng, count, growth=rng.random() < 0.8)
    mode = {n: v[:, None] for n, v in modes.items()}
    named, eps = pick(rng, ["jepa", "mae"]), float(given.log_uniform(rng, 1e-3, 0.1))
    times = dlnflow.critical_time(**modes, L=L, eps=eps, objective=named)
    finite = times[np.isfinite(times)]
    end = 1.5 * float(finite.max(initial=0.0)) or 50.0
    t = np.linspace(0.0, end, int(rng.integers(12, 60)))
    w = dlnflow.amplitude(t, **mode, L=L, eps=eps, objective=named)
    w = w * (1.0 + pick(rng, [0.0, 0.01]) * rng.normal(size=w.shape))
    if rng.random() < 0.1:
        w = np.abs(rng.normal(size=w.shape)) + 0.1
    if rng.random() < 0.1:
        w[0] = 0.3
    arguments = {"t": t, "w": w, "L": [L, L + 1]}
    arguments |= pick(rng, [{}, {}, {"eps": eps}, {"noise": "relative"}, {"sigma": 0.01}, {"L": L}])
    text = given.call_text("identify", arguments)
    function = pick(rng, [dlnflow.identify, dlnflow.identify_each])
    try:
        found = attempt(function, arguments, allowed_warnings=FEW)
    except Refused as error:
        expect("constant" in str(error) or (w == 0.3).any(), "refused", f"{error} {text}")
        return
    for one in found if isinstance(found, tuple) else (found,):
        safely(lambda one=one: (repr(one), one.explain(), one.to_dataframe(), one.ranking), text)
        safely(lambda one=one: (one.weight, one.residuals, one.predict(t[:3]), one.stderr), text)
    identify_wrong(rng, {"t": t, "w": w, "L": L})


def identify_wrong(rng, arguments):
    t, w = arguments["t"], arguments["w"]
    bad = [
        {"t": b} for b in (t[::-1], t[:3], t * np.nan, "x", None, -t - 1.0, t[None], 3.0, 1j * t)
    ]
    bad += [{"w": b} for b in (w * np.nan, w[:, :3], "x", None, -w, w[0, 0], w[None], w[:0], True)]
    bad += [{"L": b} for b in (0, 1.5, "x", [], np.nan, -1)]
    bad += [{"objective": b} for b in ((), None, "x", 3, ("jepa", "jepa"))]
    bad += [{"clock": b} for b in (None, "x", 3)] + [{"noise": b} for b in ("x", 3)]
    bad += [{"sigma": b} for b in (0.0, -1.0, "x", np.inf)] + [{"eps": b} for b in (0.0, -1, "x")]
    bad += [{"lam": b} for b in (0.0, "x", np.inf)] + [{"rho": b} for b in (0.0, "x", [1.0] * 7)]
    bad += [{"one_eps": b} for b in ("x", None, 3, [])] if "one_eps" in arguments else []
    invalid(dlnflow.identify, allowed_warnings=FEW, **{**arguments, **pick(rng, bad)})


@fuzzer("objects", "dlnflow.read_log")
def logs(rng):
    """Modes come back from among other columns; any cells are read or refused."""
    count, rows = int(rng.integers(1, 5)), int(rng.integers(2, 30))
    w = given.log_uniform(rng, 1e-6, 1e3, (count, rows))
    time = pick(rng, ["t", "step", "global_step", "epoch", "Iteration"])
    t = np.cumsum(rng.integers(1, 50, rows))
    named = {f"mode_{i}": one for i, one in enumerate(w)}
    others = {"train_loss": rng.normal(size=rows), "host": ["a"] * rows, "id": [7] * rows}
    columns = {time: t} | named | others
    frame = pd.DataFrame({name: columns[name] for name in rng.permutation(list(columns))})
    found = valid(dlnflow.read_log, source=frame)
    same = np.array_equal(found.t, t) and np.array_equal(
        found.w, [named[name] for name in found.names]
    )
    expect(same and set(found.names) == set(named), "not what was logged", f"{frame} {found}")
    expect({name for name, _ in found.set_aside} == set(others), "set aside", repr(found))
    for _ in range(int(rng.integers(1, 6))):
        name, row = pick(rng, list(columns)), int(rng.integers(rows))
        cell = pick(rng, ["", "nan", "inf", "-inf", "x", "1e999", "-1", "0", 1, None, "1,5", "1_0"])
        frame[name] = frame[name].astype(object)
        frame.loc[row, name] = cell
    options = pick(rng, [{}, {"lr": 0.1}, {"columns": ["mode_0"]}, {"time": "id"}, {"run": "a"}])
    with contextlib.suppress(Refused):
        part = attempt(dlnflow.read_log, {"source": frame, **options})
        expect(np.isfinite(part.w).all() and (np.diff(part.t) > 0).all(), "not clean", repr(part))
    invalid(dlnflow.read_log, source=pick(rng, [None, 3, [], {"t": t}, w, frame[["host"]]]))


INITIALISATIONS = ("balanced", "misaligned", "unbalanced", "gaussian")


@fuzzer("objects", *(f"dlnflow.network.{name}" for name in INITIALISATIONS))
def initialisations(rng):
    xx, yx = covariance_pair(rng)
    d, L, P = len(xx), int(rng.integers(1, 5)), int(rng.integers(1, 3))
    function = getattr(network, pick(rng, INITIALISATIONS))
    made = {"sigma_xx": xx, "sigma_yx": yx, "L": L, "decoder_depth": P}
    made |= {"eps": float(given.amplitudes(rng, ())), "rng": int(rng.integers(100))}
    if "objective" in given.parameters(function):
        made["objective"] = pick(rng, [None, "jepa", "mae"])
    net = valid(function, **made)
    text = given.call_text(function, made)
    for name in ("product", "embedding", "balance_defect", "imbalance"):
        no_nan(f"NaN in {name}", safely(lambda name=name: getattr(net, name), text), text)
    safely(lambda: repr(net), text)
    expect(net.L == L and net.decoder_depth == P, "depths", text)
    name = pick(rng, ["L", "eps", "decoder_depth"])
    invalid(function, **{**made, name: given.wrong(rng, name)})
    name = pick(rng, ["sigma_xx", "sigma_yx"])
    invalid(function, **{**made, name: not_matrices(rng, np.array(xx))})
    widths = [[d], [0] * (L + P), "x", 3, [1.5] * (L + P), [d] * (L + P + 1), [-1] * (L + P), {}]
    invalid(function, **{**made, "widths": pick(rng, widths)})
    invalid(function, **{**made, "rng": pick(rng, ["x", -1, 1.5, {}, object()])})


SCHEMES = ("kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal", "normal")


@fuzzer(
    "objects",
    *(f"dlnflow.network.{n}" for n in ("variance_scaled", "effective_eps", "gain_for_eps")),
)
def schemes(rng):
    xx, yx = covariance_pair(rng)
    d, L, P = len(xx), int(rng.integers(1, 5)), int(rng.integers(1, 3))
    gain = None if rng.random() < 0.3 else float(given.amplitudes(rng, ()))
    widths = None if rng.random() < 0.3 else rng.integers(1, 6, L + P).tolist()
    shared = {"L": L, "scheme": pick(rng, SCHEMES), "gain": gain, "widths": widths}
    made = {"sigma_xx": xx, "sigma_yx": yx, "decoder_depth": P, "rng": int(rng.integers(100))}
    net = valid(network.variance_scaled, **made, **shared)
    expect(net.L == L and net.decoder_depth == P, "depths", repr(net))
    size = valid(network.effective_eps, d=d, **shared)
    expect(size >= 0.0, "size", f"{size} of {shared}")
    back = {key: shared[key] for key in ("L", "scheme", "widths")} | {"d": d, "eps": size}
    found = valid(network.gain_for_eps, **back)
    expect(gain is None or np.isclose(found, gain), "another gain", f"{found} of {shared}")
    bad = [{"scheme": b} for b in ("x", None, 3)] + [{"gain": b} for b in (0.0, -1.0, "x", np.inf)]
    bad += [{"L": given.wrong(rng, "L")}]
    bad += [{"widths": b} for b in ([0] * (L + P), "x", 3, [1.5] * (L + P), {})]
    invalid(network.variance_scaled, **{**made, **shared, **pick(rng, bad)})
    invalid(network.effective_eps, **{"d": d, **shared, **pick(rng, bad)})
    invalid(network.gain_for_eps, **back | {"eps": pick(rng, [0.0, -1.0, np.inf, "x", None])})
    invalid(network.effective_eps, **{"d": pick(rng, [0, -1, 1.5, "x", None]), **shared})


@fuzzer("objects", "dlnflow.network.Network")
def networks(rng):
    widths = rng.integers(1, 4, 4)
    layers = [rng.normal(size=(widths[i + 1], widths[i])) for i in range(3)]
    made = valid(network.Network, encoder=layers[:2], decoder=layers[2:])
    no_nan("NaN", made.product, repr(made))
    bad = [[], None, "x", 3, [1.0], [np.ones(3)], [np.ones((2, 2)) * np.nan], [layers[0], None]]
    bad += [np.ones((2, 2)), [np.ones((5, 7)), np.ones((2, 2))], {}, [[["x"]]], [np.ones((0, 2))]]
    parts = {"encoder": layers[:2], "decoder": layers[2:]}
    invalid(network.Network, **{**parts, pick(rng, sorted(parts)): pick(rng, bad)})


@fuzzer(
    "objects",
    *(f"dlnflow.network.{n}" for n in ("gradient_flow", "compare", "check_assumptions", "Run")),
    "dlnflow.network.probe_r2",
    "dlnflow.recover",
)
def flow(rng):
    d, L = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    xx, yx = learnable_pair(rng, d)
    named = pick(rng, ["jepa", "mae"])
    net = network.balanced(
        xx, yx, L=L, eps=float(given.log_uniform(rng, 1e-3, 0.3)), objective=named
    )
    t = np.linspace(0.0, float(given.log_uniform(rng, 0.1, 100.0)), 12)
    made = {"network": net, "sigma_xx": xx, "sigma_yx": yx, "objective": named, "t": t}
    text = given.call_text("gradient_flow", made | {"network": f"balanced {net.widths}"})
    run = valid(network.gradient_flow, **made)
    for name in ("w", "product", "balance_defect", "off_diagonal", "encoder"):
        no_nan(f"NaN in {name}", safely(lambda name=name: getattr(run, name), text), text)
    measure = pick(rng, ["probe", "amplitude"])
    told = valid(network.compare, run=run, p=float(rng.uniform(0.1, 0.9)), measure=measure)
    safely(lambda: (repr(told), repr(run), told.to_dataframe(), told.tau, told.deviation), text)
    reads(rng, run)
    said = valid(network.check_assumptions, sigma_xx=xx, sigma_yx=yx, run=run)
    safely(lambda: (repr(said), said.to_dataframe(), said.broken), text)
    with contextlib.suppress(Refused):  # too little may have moved
        found = attempt(dlnflow.recover, {"run": run, "L": L}, allowed_warnings=FEW)
        safely(lambda: (repr(found), found.explain(), found.to_dataframe()), text)
    bad = [{"t": b} for b in ([], [1.0, 1.0], [np.inf], "x", [-1.0], [[1.0]], 1.0, [np.nan])]
    bad += [{"network": b} for b in (None, 3, "x", xx)] + [
        {"rtol": b} for b in (0, -1, "x", np.nan)
    ]
    bad += [{"atol": b} for b in (-1.0, "x", np.nan, [1.0])] + [{"method": b} for b in (None, "x")]
    bad += [{"max_seconds": b} for b in (-1.0, "x", np.nan, [1.0])]
    bad += [{"sigma_yy": np.ones((d, d + 1))}, {"sigma_xx": not_matrices(rng, xx)}] * 3
    bad += [{"objective": given.wrong(rng, "objective")}, {"clock": given.wrong(rng, "clock")}] * 3
    invalid(network.gradient_flow, **{**made, **pick(rng, bad)})
    invalid(network.compare, run=run, p=given.wrong(rng, "p"))
    invalid(network.compare, run=pick(rng, [None, 3, "x", net]))


def reads(rng, run):
    """A probe reads the same from a network and from samples, and refuses what has no variance."""
    d, sigma = run.data.d, float(given.log_uniform(rng, 1e-3, 1e3))
    filters = rng.normal(size=(d, int(rng.integers(1, 4)))) * given.log_uniform(rng, 1e-9, 1e9)
    made = valid(run.probe_r2, features=filters, sigma=sigma)
    expect(np.all((made >= 0.0) & (made <= 1.0)), "R2 beyond [0, 1]", f"{made}")
    no_nan("NaN in R2", valid(run.probe_r2, p=float(rng.uniform(0.1, 0.9))), repr(run))
    drawn = rng.normal(size=(20, d))
    white = np.linalg.qr(drawn - drawn.mean(axis=0))[0] * np.sqrt(20.0)
    x = white @ np.linalg.cholesky(run.data.xx).T
    outputs = x @ run.encoder[-1].T
    sampled = valid(network.probe_r2, outputs=outputs, features=x @ filters, sigma=sigma)
    expect(np.allclose(sampled, made[-1], atol=1e-6), "samples differ", f"{sampled}, {made[-1]}")
    good = {"features": filters, "sigma": sigma}
    odd = [{"features": b} for b in (filters[:, 0], 0.0 * filters, filters * np.nan, "x", [])]
    odd += [{"sigma": b} for b in (0.0, -1.0, np.nan, np.inf, "x", [1.0] * 7)]
    invalid(run.probe_r2, **{**good, **pick(rng, odd)})
    odd = [{"features": b} for b in (x[:3], np.ones(20), x * np.nan, "x", [])] + odd[5:]
    odd += [{"outputs": b} for b in (x[:, 0], x[:3], x * np.inf, None)]
    invalid(network.probe_r2, **{**good, "features": x, "outputs": x, **pick(rng, odd)})


@fuzzer("objects", "dlnflow.network.gradient_descent", "dlnflow.network.largest_stable_rate")
def descent(rng):
    d, L = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    xx, yx = learnable_pair(rng, d)
    net = network.balanced(xx, yx, L=L, eps=float(given.log_uniform(rng, 1e-3, 0.5)))
    made = {"network": net, "sigma_xx": xx, "sigma_yx": yx, "objective": pick(rng, ["jepa", "mae"])}
    limit = valid(network.largest_stable_rate, **made)
    made |= {"lr": float(min(limit, 10.0) * given.log_uniform(rng, 1e-3, 3.0)), "steps": 50}
    made |= {"momentum": pick(rng, [0.0, 0.9]), "record": pick(rng, [5, [0, 3, 50], 400])}
    text = given.call_text("gradient_descent", made | {"network": f"balanced {net.widths}"})
    try:
        run = attempt(network.gradient_descent, made, allowed_errors=(network.DivergenceError,))
        no_nan("NaN in w", safely(lambda: run.w, text), text)
        safely(lambda: repr(run), text)
    except Refused as error:
        expect("stable" in str(error), "refused", f"{error}: {text}")
    bad = [{"lr": b} for b in (0.0, -1.0, "x", None, [0.1], np.nan, np.inf, True)]
    bad += [{"steps": b} for b in (0, -1, 1.5, "x", [3], np.nan, True)]
    bad += [{n: b} for n in ("momentum", "ema") for b in (1.0, -0.1, "x", np.nan, [0.1])]
    bad += [{"record": b} for b in (0, -1, "x", [-1], [99], [1.5], [], np.nan, [[1]])]
    bad += [{"batch_size": b} for b in (5, 0, "x")] + [{"loss": b} for b in (None, "x", 3)]
    bad += [{"weight_decay": b} for b in (-1.0, "x", np.nan)] + [{"x": xx}, {"sampler": 3}]
    invalid(network.gradient_descent, **{**made, **pick(rng, bad)})
    invalid(network.largest_stable_rate, network=net, sigma_xx=xx, sigma_yx=not_matrices(rng, yx))


@fuzzer("objects", "dlnflow.network.switching_rate", "dlnflow.network.switching_exponent")
def switching(rng):
    count = int(rng.integers(1, 5))
    low, high = pick(rng, [(0.1, 10.0), (1e-10, 1e10), (1e-100, 1e100)])
    lam, rho = (given.log_uniform(rng, low, high, count) for _ in range(2))
    L = int(rng.integers(1, 8))
    made = {"lam": lam, "rho": rho, "L": L, "objective": given.objective(rng, L)}
    made["decoder_depth"] = int(rng.integers(1, 4))
    for function in (network.switching_rate, network.switching_exponent):
        with contextlib.suppress(Refused):
            result = attempt(function, made)
            no_nan("NaN", result, given.call_text(function, made))
            expect((result >= 0.0).all(), "negative", given.call_text(function, made))
        name = pick(rng, ["lam", "rho", "L", "objective", "decoder_depth"])
        invalid(function, **{**made, name: given.wrong(rng, name)})


@fuzzer("objects", "dlnflow.network.covariances")
def sample_covariances(rng):
    x, y = sample_pair(rng)
    xx, _ = valid(network.covariances, x=x - x.mean(axis=0), y=y - y.mean(axis=0))
    no_nan("NaN", xx, "covariances")
    bad = [x[:, :0], x[:-1], None, "x", x * np.nan, x[0], 1j * x]
    invalid(network.covariances, x=x, y=pick(rng, bad))


@fuzzer("objects", "dlnflow.symbolic.derive", "dlnflow.symbolic.side_by_side")
def derivations(rng):
    L = pick(rng, [None, 1, 2, 3])
    made = {"objective": pick(rng, ["jepa", "mae", "layer-1", "layer-m"]), "L": L}
    made |= {"decoder_depth": pick(rng, [1, 2, None]), "clock": pick(rng, ["paper", "network"])}
    text = given.call_text("derive", made)
    found = valid(symbolic.derive, **made)
    safely(lambda: (found.to_text(), found.to_markdown(), found.to_latex(), repr(found)), text)
    safely(lambda: (found.order, found.rate, found.plateau), text)
    bad = [{"L": b} for b in (0, -1, 1.5, "x", [1], np.nan, True, 1j)]
    bad += [{"decoder_depth": b} for b in (0, -1, 1.5, "x", [1], np.nan, True)]
    bad += [{"clock": b} for b in (None, "x", 3, dlnflow.Training(lr=1.0))]
    bad += [{"objective": b} for b in (None, 3, "", ["jepa"], "layer-9" if L else "layer-")]
    invalid(symbolic.derive, **{**made, **pick(rng, bad)})
    invalid(symbolic.side_by_side, derivations=pick(rng, [None, 3, [], [3], "x"]))


@fuzzer("objects", "dlnflow.symbolic.derive_mode_ode")
def own_losses(rng):
    w, v, tau, beta = sp.symbols("w v tau beta", positive=True)
    lam, rho = symbolic.lam, symbolic.rho
    error = lam / rho / 2 * (v * w) ** 2 - lam * v * w * tau
    made = {"loss": error, "encoder": w, "decoder": v, "frozen": {tau: pick(rng, [1, w])}}
    if rng.random() < 0.3:
        made |= {"loss": error + beta / 2 * (v**2 + w**2), "parameters": [beta]}
    valid(symbolic.derive_mode_ode, **made)
    bad = [
        {"loss": b} for b in (None, 3, "x", sp.sin(w), error + beta, sp.Eq(w, 1), [error], w == v)
    ]
    bad += [{"encoder": b} for b in (None, 3, "w", (), {w: 0}, {w: 1.5}, {w: -1}, [w, w], v, {})]
    bad += [{"frozen": b} for b in (3, "x", {w: 1}, {3: 1}, {tau: None}, {tau: "x"}, {tau: beta})]
    bad += [{"parameters": b} for b in (3, [3], ["beta"], [w])]
    bad += [{"decoder": b} for b in (3, "v", w, {v: 0}, {v: "x"})] + [
        {"clock": b} for b in (None, 3)
    ]
    if "parameters" in made:
        bad = [b for b in bad if "loss" not in b and "frozen" not in b]
    invalid(symbolic.derive_mode_ode, **{**made, **pick(rng, bad)})


@fuzzer(
    "objects",
    *(
        f"dlnflow.plot.{name}"
        for name in (
            *("simulation", "trajectories", "collapse", "colour", "critical_time_against_depth"),
            *("first_learned_map", "paper_panels", "noisy_features"),
        )
    ),
)
def figures(rng):
    import matplotlib.pyplot as plt

    modes = tame(rng, int(rng.integers(1, 4)), growth=rng.random() < 0.7)
    L, eps = int(rng.integers(1, 5)), float(given.log_uniform(rng, 1e-4, 0.5))
    sim = dlnflow.simulate(**modes, L=L, eps=eps)
    look = {"quantity": pick(rng, ["w", "learned"]), "time": pick(rng, ["linear", "log"])}
    calls = [
        (plot.simulation, {"sim": sim, **look}),
        (plot.trajectories, {"part": sim["mae"], **look}),
        (plot.collapse, {**tame(rng, 2), "L": L, "eps": 1e-4}),
        (plot.critical_time_against_depth, {**modes, "depths": range(1, L + 2), "eps": eps}),
        (plot.first_learned_map, {"L": L, "eps": eps, "points": 20}),
        (plot.noisy_features, {"L": L, "eps": 0.01}),
        (plot.paper_panels, {**pick(rng, [{}, modes]), "L": L, "eps": eps, **look}),
        (plot.colour, {"objective": given.objective(rng, L)}),
    ]
    function, arguments = pick(rng, calls)
    try:
        attempt(function, arguments)
        name = pick(rng, sorted(arguments))
        wrong = pick(rng, [None, "x", -1, np.nan, 1j, object(), [], {}])
        if not (name == "time" and wrong is None):
            invalid(function, **{**arguments, name: wrong})
    except Refused as error:
        raise Fault(
            "refuses valid input", f"{error} {given.call_text(function, arguments)}"
        ) from error
    finally:
        plt.close("all")


@fuzzer("objects", "dlnflow.claims.verdict_of", "dlnflow.claims.run", "dlnflow.claims.recorded")
def verdicts(rng):
    observations = tuple(
        claims.Observation(
            pick(rng, sorted(claims.ROUTES)),
            pick(rng, ["a", "b"]),
            float(pick(rng, [1.0, 2.0, np.nan, np.inf])),
            float(pick(rng, [0.1, 0.2, np.nan, 1e300])),
            bool(rng.random() < 0.8),
            bool(rng.random() < 0.7),
            pick(rng, [0.0, None, 0.1, np.nan, -1.0]),
        )
        for _ in range(int(rng.integers(0, 8)))
    )
    found = valid(claims.verdict_of, observations=observations)
    expect(isinstance(found.verdict, claims.Verdict), "no verdict", repr(observations))
    invalid(claims.run, only=pick(rng, ["nope", 99, -1, ["nope"], 1.5, [], object()]))
    valid(claims.recorded)


RECORD = "a record that a function here makes and checks"
exempt(
    RECORD,
    *(f"dlnflow.{n}" for n in ("Identification", "Recovery", "Sensitivities")),
    *(f"dlnflow.network.{n}" for n in ("Assumptions", "Check", "Comparison")),
    *(f"dlnflow.symbolic.{n}" for n in ("Derivation", "FixedPoint", "Step")),
    *(f"dlnflow.generative.{n}" for n in ("Model", "NoisyFeatures")),
    *(f"dlnflow.claims.{n}" for n in ("Claim", "Control", "Effort", "Finding", "Observation")),
    *(f"dlnflow.claims.{n}" for n in ("Report", "Verdict")),
    *(f"dlnflow.data.{n}" for n in ("CovarianceAccumulator", "Errors", "Pairs", "Spectrum")),
    *(f"dlnflow.data.{n}" for n in ("FeaturePrediction", "Prediction", "Verification")),
)
exempt(
    "an error that functions here raise",
    *("dlnflow.network.DivergenceError", "dlnflow.data.FileError"),
    *("dlnflow.symbolic.DerivationError", "dlnflow.symbolic.UndecidedError"),
)
exempt(
    "draws a record of a run of minutes, or of one tested with its maker",
    *(f"dlnflow.plot.{n}" for n in ("claim", "comparison", "experiment", "identification")),
    "dlnflow.plot.prediction",
    "dlnflow.plot.validity",
)
exempt(
    "takes lazy arrays alone, and the functions that make or read them are fuzzed",
    *("dlnflow.data.accumulate_dask", "dlnflow.resume_sweep"),
)
exempt("computes a claim, for minutes", "dlnflow.claims.broken")


# The fuzzer itself


def public_callables():
    for name in ("dlnflow", *(f"dlnflow.{package}" for package in PACKAGES)):
        module = importlib.import_module(name)
        yield from (f"{name}.{n}" for n in module.__all__ if callable(getattr(module, n)))


def test_every_public_name_has_a_fuzzer_or_a_reason_why_not():
    assert set(public_callables()) - set(COVERED) == set()


def test_no_fuzzer_stands_for_a_name_that_is_gone():
    assert set(COVERED) - set(public_callables()) == set()


def warns(t):
    return np.float64(1.0) / np.float64(t * 0.0)


def gives_nan(t):
    return np.full(np.shape(t), np.nan)[()]


def raises(t):
    return {}["t"]


def names_nothing(t):
    raise ValueError("something is wrong")


def changes(t):
    t += 1.0
    return t


def differs(t):
    return np.asarray(t, dtype=np.float64)[()] * (1.0 + 1e-16 * np.ndim(t) * 4)


def half(t):
    return np.asarray(t, dtype=np.float32)[()]


@pytest.mark.parametrize(
    ("faulty", "kind"),
    [
        (warns, "warns"),
        (gives_nan, "gives NaN"),
        (raises, "raises"),
        (names_nothing, "names no argument"),
        (changes, "changes its input"),
        (differs, "scalar differs"),
        (half, "wrong dtype"),
    ],
)
def test_a_faulty_function_is_caught(faulty, kind):
    with pytest.raises(Fault) as caught:
        check_scalars(faulty, {"t": np.array([1.5, 2.0])})
    assert caught.value.kind == kind


@pytest.mark.long
@pytest.mark.parametrize(
    ("broken", "law", "kind"),
    [
        ("amplitude", amplitude_is_monotone, "not monotone"),
        ("hitting_time", hitting_time_inverts_amplitude, "no inverse"),
        ("critical_time_remainder", the_remainder_is_what_is_left, "not the remainder"),
        ("velocity", velocity_is_the_amplitudes_slope, "not the slope"),
    ],
)
def test_a_broken_law_is_caught(monkeypatch, broken, law, kind):
    right = getattr(dlnflow, broken)

    def wrong(*arguments, **settings):
        value = np.asarray(right(*arguments, **settings))
        if broken == "amplitude":
            return value[::-1].copy() if value.ndim else value[()]
        return value * (1.0 + 1e-3)

    monkeypatch.setattr(dlnflow, broken, wrong)
    found = {getattr(trouble(law, generator(broken, case)), "kind", None) for case in range(40)}
    assert kind in found


def test_valid_input_refused_and_invalid_input_accepted_are_caught():
    with pytest.raises(Fault, match="refuses valid input"):
        valid(dlnflow.plateau, rho=0.5, L=0)
    with pytest.raises(Fault, match="accepts invalid input"):
        invalid(dlnflow.plateau, rho=0.5, L=1)
