"""One solver behind one pair of calls, obeying JSON lines; runs in that solver's environment.

`python calls.py NAME`. `{"do": "use", "path": ...}` loads options from an .npz;
`{"do": "time", "what": "vol" | "full"}` answers with nanoseconds an option; `{"do": "solve",
"path": ...}` writes vol (n,) and greeks (5, n): delta, gamma, theta a day, vega and rho a percent.
Each is called as its documentation says a caller with columns should: in whole columns where it
takes them, else in a loop. What it must be given anew (forwards, calls apart from puts) is its time.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings

import numpy as np

#: A measurement repeats a call until this much time is spent.
SPENT_NS_MIN = 30_000_000
GREEKS = 5


class Tickflow:
    def __init__(self):
        from enrich.kernels.columns import implied_vol, implied_vol_and_greeks

        self._vol, self._full = implied_vol, implied_vol_and_greeks

    def vol(self, o):
        vol, status = np.empty(len(o["price"])), np.empty(len(o["price"]), np.uint8)
        self._vol(*_columns(o), vol, status)
        return vol

    def full(self, o):
        results, status = np.empty((6, len(o["price"]))), np.empty(len(o["price"]), np.uint8)
        self._full(*_columns(o), results, status)
        return results[0], results[1:]


class TickflowRecords(Tickflow):
    """The same options as fields of records, results into records."""

    _names = ("price", "S", "K", "T", "r", "q", "sign")
    _in = np.dtype([(name, "<f8") for name in _names] + [("token", "<u8")])

    def use(self, o):
        self._records = np.zeros(len(o["price"]), self._in)
        for name in self._names:
            self._records[name] = o[name]

    def vol(self, _o):
        out = np.empty((len(self._records), 2))
        self._vol(*(self._records[n] for n in self._names), out[:, 0], np.empty(len(out), np.uint8))
        return out[:, 0]

    def full(self, _o):
        out = np.empty((len(self._records), 8))
        columns = (self._records[name] for name in self._names)
        self._full(*columns, out[:, :6].T, np.empty(len(out), np.uint8))
        return out[:, 0], out[:, 1:6].T


class NumbaNewton:
    """What a developer would write first: Newton's method with erfc, compiled."""

    def __init__(self):
        from numba import njit

        erfc, exp, log, sqrt = math.erfc, math.exp, math.log, math.sqrt

        @njit(error_model="numpy")
        def solve(price, S, K, T, r, q, sign, out, with_greeks):
            for i in range(price.size):
                root, vol = sqrt(T[i]), 0.3
                carried, strike = S[i] * exp(-q[i] * T[i]), K[i] * exp(-r[i] * T[i])
                d1 = d2 = n1 = n2 = density = 0.0
                for _ in range(100):
                    d1 = log(carried / strike) / (vol * root) + 0.5 * vol * root
                    d2 = d1 - vol * root
                    n1 = 0.5 * erfc(-sign[i] * d1 / 1.4142135623730951)
                    n2 = 0.5 * erfc(-sign[i] * d2 / 1.4142135623730951)
                    density = exp(-0.5 * d1 * d1) / 2.5066282746310002
                    worth = sign[i] * (carried * n1 - strike * n2)
                    step = (worth - price[i]) / (carried * density * root)
                    vol = max(vol - step, 1e-4)
                    if abs(step) < 1e-12:
                        break
                out[0, i] = vol
                if with_greeks:
                    decay = carried * density * vol / (2.0 * root)
                    out[1, i] = sign[i] * carried / S[i] * n1
                    out[2, i] = carried * density / (S[i] * S[i] * vol * root)
                    out[3, i] = (
                        sign[i] * (q[i] * carried * n1 - r[i] * strike * n2) - decay
                    ) / 365.0
                    out[4, i] = carried * density * root / 100.0
                    out[5, i] = sign[i] * T[i] * strike * n2 / 100.0

        self._solve = solve

    def vol(self, o):
        out = np.empty((6, len(o["price"])))
        self._solve(*_columns(o), out, False)
        return out[0]

    def full(self, o):
        out = np.empty((6, len(o["price"])))
        self._solve(*_columns(o), out, True)
        return out[0], out[1:]


class NumpyNewton:
    """The same in whole columns: twelve steps for everybody."""

    def __init__(self):
        from scipy.special import ndtr

        self._ndtr = ndtr

    def _terms(self, o, vol):
        total = vol * np.sqrt(o["T"])
        carried = o["S"] * np.exp(-o["q"] * o["T"])
        strike = o["K"] * np.exp(-o["r"] * o["T"])
        d1 = np.log(carried / strike) / total + 0.5 * total
        n1, n2 = self._ndtr(o["sign"] * d1), self._ndtr(o["sign"] * (d1 - total))
        return carried, strike, n1, n2, np.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)

    def vol(self, o):
        vol = np.full(len(o["price"]), 0.3)
        with np.errstate(all="ignore"):
            for _ in range(12):
                carried, strike, n1, n2, density = self._terms(o, vol)
                worth = o["sign"] * (carried * n1 - strike * n2)
                vol = np.maximum(
                    vol - (worth - o["price"]) / (carried * density * np.sqrt(o["T"])), 1e-4
                )
        return vol

    def full(self, o):
        vol = self.vol(o)
        with np.errstate(all="ignore"):
            root = np.sqrt(o["T"])
            carried, strike, n1, n2, density = self._terms(o, vol)
            decay = carried * density * vol / (2.0 * root)
            theta = o["sign"] * (o["q"] * carried * n1 - o["r"] * strike * n2) - decay
            return vol, np.stack(
                (
                    o["sign"] * carried / o["S"] * n1,
                    carried * density / (o["S"] ** 2 * vol * root),
                    theta / 365.0,
                    carried * density * root / 100.0,
                    o["sign"] * o["T"] * strike * n2 / 100.0,
                )
            )


class PyVollibVectorized:
    def __init__(self):
        import py_vollib_vectorized

        self._v = py_vollib_vectorized

    def use(self, o):
        self._flag = _letters(o)

    def vol(self, o):
        return self._v.vectorized_implied_volatility(
            o["price"], o["S"], o["K"], o["T"], o["r"], self._flag, q=o["q"],
            model="black_scholes_merton", return_as="numpy", on_error="ignore",
        )  # fmt: skip

    def full(self, o):
        vol = self.vol(o)
        greeks = self._v.get_all_greeks(
            self._flag, o["S"], o["K"], o["T"], o["r"], vol, o["q"],
            model="black_scholes_merton", return_as="dict",
        )  # fmt: skip
        return vol, np.stack([greeks[n] for n in ("delta", "gamma", "theta", "vega", "rho")])


class PyVollib:
    def __init__(self):
        from py_vollib.black_scholes_merton.greeks import analytical
        from py_vollib.black_scholes_merton.implied_volatility import implied_volatility

        self._vol, self._g = implied_volatility, analytical

    def use(self, o):
        self._flag = _letters(o).tolist()

    def vol(self, o):
        return _looped(self._one, o, self._flag)

    def _one(self, price, spot, strike, years, rate, dividend, flag):
        return self._vol(price, spot, strike, years, rate, dividend, flag)

    def full(self, o):
        vol = self.vol(o)
        out = np.full((GREEKS, len(vol)), np.nan)
        g = self._g
        rows = zip(self._flag, *(o[n].tolist() for n in "SKTr"), vol.tolist(), o["q"].tolist())
        for i, row in enumerate(rows):
            try:
                out[:, i] = (g.delta(*row), g.gamma(*row), g.theta(*row), g.vega(*row), g.rho(*row))
            except Exception:
                continue
        return vol, out


class QuantLib:
    def __init__(self):
        import QuantLib

        self._ql = QuantLib

    def _one(self, price, spot, strike, years, rate, dividend, kind):
        forward = spot * math.exp((rate - dividend) * years)
        total = self._ql.blackFormulaImpliedStdDev(
            kind,
            strike,
            forward,
            price,
            math.exp(-rate * years),
            0.0,
            total_guess(years),
            1e-12,
            200,
        )
        return total / math.sqrt(years)

    def use(self, o):
        put, call = self._ql.Option.Put, self._ql.Option.Call
        self._kinds = [call if sign > 0 else put for sign in o["sign"].tolist()]

    def vol(self, o):
        return _looped(self._one, o, self._kinds)

    def full(self, o):
        vol = self.vol(o)
        out = np.full((GREEKS, len(vol)), np.nan)
        ql = self._ql
        rows = zip(self._kinds, *(o[n].tolist() for n in "SKTrq"), vol.tolist())
        for i, (kind, spot, strike, years, rate, dividend, v) in enumerate(rows):
            try:
                c = ql.BlackCalculator(
                    ql.PlainVanillaPayoff(kind, strike), spot * math.exp((rate - dividend) * years),
                    v * math.sqrt(years), math.exp(-rate * years),
                )  # fmt: skip
                out[:, i] = (
                    c.delta(spot), c.gamma(spot), c.theta(spot, years) / 365.0,
                    c.vega(years) / 100.0, c.rho(years) / 100.0,
                )  # fmt: skip
            except Exception:
                continue
        return vol, out


def total_guess(years):
    """Return 0.3 a year as a total volatility: a guess nearer the answer is nobody's to know."""
    return 0.3 * math.sqrt(years)


class FastVollib:
    def __init__(self):
        import fast_vollib

        self._f = fast_vollib

    def use(self, o):
        self._flag = _letters(o)

    def vol(self, o):
        return np.asarray(
            self._f.fast_implied_volatility(
                o["price"],
                o["S"],
                o["K"],
                o["T"],
                o["r"],
                self._flag,
                q=o["q"],
                model="black_scholes_merton",
                return_as="numpy",
                on_error="ignore",
                backend="numba",
            )
        )

    def full(self, o):
        vol = self.vol(o)
        greeks = self._f.get_all_greeks(
            self._flag, o["S"], o["K"], o["T"], o["r"], vol, o["q"],
            model="black_scholes_merton", return_as="dict", backend="numba",
        )  # fmt: skip
        return vol, np.stack([greeks[n] for n in ("delta", "gamma", "theta", "vega", "rho")])


class OpenGreeks:
    def __init__(self):
        from opengreeks import black_scholes_merton

        self._m = black_scholes_merton

    def vol(self, o):
        out = np.empty(len(o["price"]))
        for rows, flag, p in _apart(o):
            out[rows] = self._m.implied_volatility_array(
                p["price"], p["S"], p["K"], p["T"], p["r"][0], p["q"][0], flag
            )
        return out

    def full(self, o):
        vol, out, m = self.vol(o), np.empty((GREEKS, len(o["price"]))), self._m
        calls = (m.delta_array, m.gamma_array, m.theta_array, m.vega_array, m.rho_array)
        for rows, flag, p in _apart(o):
            for place, call in enumerate(calls):
                out[place, rows] = call(
                    flag, p["S"], p["K"], p["T"], p["r"][0], vol[rows], p["q"][0]
                )
        return vol, out


class IvEngine:
    """Has no rate: undiscounted on the forward, three Greeks in columns."""

    def __init__(self):
        import iv_engine

        self._e = iv_engine

    def vol(self, o):
        out = np.empty(len(o["price"]))
        with np.errstate(all="ignore"):
            for rows, flag, p in _apart(o):
                forward = p["S"] * np.exp((p["r"] - p["q"]) * p["T"])
                out[rows] = self._e.implied_volatilities(
                    p["price"] * np.exp(p["r"] * p["T"]), forward, p["K"], p["T"],
                    is_call=flag == "c", parallel=False,
                )  # fmt: skip
        return out

    def full(self, o):
        vol, out, e = self.vol(o), np.full((GREEKS, len(o["price"])), np.nan), self._e
        for rows, flag, p in _apart(o):
            forward = p["S"] * np.exp((p["r"] - p["q"]) * p["T"])
            discount = np.exp(-p["r"] * p["T"])
            common = (forward, p["K"], p["T"], vol[rows])
            carry = forward / p["S"]
            out[0, rows] = e.deltas(*common, is_call=flag == "c", parallel=False) * discount * carry
            out[1, rows] = e.gammas(*common, parallel=False) * discount * carry * carry
            out[3, rows] = e.vegas(*common, parallel=False) * discount / 100.0
        return vol, out


SOLVERS = {
    "tickflow": Tickflow,
    "tickflow_records": TickflowRecords,
    "numba_newton": NumbaNewton,
    "numpy_newton": NumpyNewton,
    "py_vollib_vectorized": PyVollibVectorized,
    "py_vollib": PyVollib,
    "quantlib": QuantLib,
    "fast_vollib": FastVollib,
    "opengreeks": OpenGreeks,
    "iv_engine": IvEngine,
}


def _columns(o):
    return (o["price"], o["S"], o["K"], o["T"], o["r"], o["q"], o["sign"])


def _letters(o):
    return np.where(o["sign"] > 0, "c", "p")


def _looped(one, o, kinds):
    out = np.full(len(kinds), np.nan)
    rows = zip(*(o[n].tolist() for n in ("price", "S", "K", "T", "r", "q")), kinds)
    for i, row in enumerate(rows):
        try:
            out[i] = one(*row)
        except Exception:
            continue
    return out


def _apart(o):
    """Yield rows, flag, columns of what takes one flag, one rate, one yield at a time."""
    keys = np.stack((o["sign"], o["r"], o["q"]))
    if (keys == keys[:, :1])[1:].all():  # the chain: one rate, one yield
        groups = [(o["sign"] > 0, "c"), (o["sign"] < 0, "p")]
    else:
        _, inverse = np.unique(keys, axis=1, return_inverse=True)
        inverse = inverse.ravel()
        groups = [
            (inverse == n, "c" if o["sign"][inverse == n][0] > 0 else "p")
            for n in range(inverse.max() + 1)
        ]
    for rows, flag in groups:
        if rows.any():
            yield rows, flag, {n: o[n][rows] for n in ("price", "S", "K", "T", "r", "q")}


def _time(call, options):
    # CPU time of all threads: what else the machine does counts less, more threads do not help.
    calls, started = 0, time.process_time_ns()
    while (spent := time.process_time_ns() - started) < SPENT_NS_MIN or calls == 0:
        call(options)
        calls += 1
    return spent / calls


def main(name):
    solver, options = SOLVERS[name](), {}
    _say({"ready": name})
    for line in sys.stdin:
        told = json.loads(line)
        try:
            if told["do"] == "use":
                with np.load(told["path"]) as kept:
                    options = {key: kept[key] for key in kept.files}
                if hasattr(solver, "use"):
                    solver.use(options)
                _say({})
            elif told["do"] == "time":
                call = solver.vol if told["what"] == "vol" else solver.full
                _say({"ns": _time(call, options) / len(options["price"])})
            else:
                vol, greeks = (
                    solver.full(options)
                    if told["what"] == "full"
                    else (solver.vol(options), np.zeros(0))
                )
                np.savez(told["path"], vol=np.asarray(vol, float), greeks=greeks)
                _say({})
        except Exception as error:
            _say({"error": f"{type(error).__name__}: {error}"[:200]})


def _say(answer):
    sys.__stdout__.write(json.dumps(answer) + "\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    sys.stdout = sys.stderr  # what a solver prints is no answer
    main(sys.argv[1])
