"""Reference values for drift, detectors and model quality from SciPy, scikit-learn and river.

  python drift-oracle.py --count 200 --seed 20260101 --out drift-vectors.json     (committed)
  python drift-oracle.py --count 10000 --seed 7 --out /tmp/full.json              (full run, see drift-oracle.test.ts)

Made with Python 3, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, river 0.26.1. Test data of its own: no licence.
"""
import argparse
import json
import math
import warnings

import numpy as np
import scipy
import sklearn
import sklearn.metrics as skm
from river import drift as river_drift
from scipy import stats
from scipy.optimize import minimize
from scipy.spatial.distance import jensenshannon
from sklearn.isotonic import IsotonicRegression

warnings.filterwarnings("ignore")
parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=200)
parser.add_argument("--seed", type=int, default=20260101)
parser.add_argument("--out", required=True)
args = parser.parse_args()
rng = np.random.default_rng(args.seed)


def number(x):
    x = float(x)
    return None if math.isnan(x) else x


def counts(k, top):
    while True:
        values = rng.integers(0, top, k) * (rng.random(k) > 0.15)
        if values.sum() > 0:
            return values.astype(int)


def sample(size):
    kind = rng.integers(0, 4)
    if kind == 0:
        values = rng.normal(rng.normal(), 1 + rng.random(), size)
    elif kind == 1:
        values = rng.integers(0, 6, size).astype(float)
    elif kind == 2:
        values = np.exp(rng.normal(0, 1.5, size))
    else:
        values = rng.standard_t(3, size) * 10
        values[rng.random(size) < 0.02] = 1e8
    return np.round(values, 3)


def binned():
    k = int(rng.integers(1, 13))
    top = int(rng.choice([5, 50, 1000, 10**9]))
    p, q = counts(k, top), counts(k, top)
    ps, qs = p / p.sum(), q / q.sum()
    keep = (p > 0) | (q > 0)
    a, b = ps[keep], qs[keep]
    a, b = np.where(a == 0, 1e-4, a), np.where(b == 0, 1e-4, b)
    df = int(keep.sum()) - 1
    quantile = (1 / p.sum() + 1 / q.sum()) * stats.chi2.ppf(0.99, df) if df > 0 else 0.0
    return {
        "reference": p.tolist(), "current": q.tolist(),
        "psi": number(np.sum((b - a) * np.log(b / a))), "nullQuantile99": number(quantile),
        "jsE": number(jensenshannon(ps, qs)), "js2": number(jensenshannon(ps, qs, 2)),
        "hellinger": number(np.sqrt(0.5 * np.sum((np.sqrt(ps) - np.sqrt(qs)) ** 2))),
        "totalVariation": number(0.5 * np.abs(ps - qs).sum()), "lInfinity": number(np.abs(ps - qs).max()),
    }


def contingency():
    r, c = int(rng.integers(2, 5)), int(rng.integers(2, 8))
    while True:
        table = rng.integers(0, int(rng.choice([6, 60, 10000])), (r, c))
        if (table.sum(0) > 0).all() and (table.sum(1) > 0).all():
            break
    result = stats.chi2_contingency(table, correction=False)
    return {
        "table": table.tolist(), "statistic": number(result.statistic), "pValue": number(result.pvalue),
        "df": int(result.dof), "cramersV": number(stats.contingency.association(table, method="cramer")),
    }


def exact_p(d, n, m):
    """Share of the lattice paths that reach the distance, counted in whole numbers.

    SciPy's own exact value comes out as 1.0000000000000002 for d = 1/n at some n = m (such as 7), is then called
    unsuccessful and silently replaced by the asymptotic one; elsewhere both agree and this is asserted below.
    """
    reach = round(d * n * m)
    inside = [0] * (m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            if abs(i * m - j * n) >= reach:
                inside[j] = 0
            elif i == 0 and j == 0:
                inside[0] = 1
            elif j > 0:
                inside[j] += inside[j - 1]
    total = math.comb(n + m, n)
    return (total - inside[m]) / total


def two_samples():
    n, m = int(rng.integers(1, 26)), int(rng.integers(1, 26))
    x, y = sample(n), sample(m)
    if rng.random() < 0.3:
        y = np.round(x[rng.integers(0, n, m)] + rng.choice([0.0, 1.0]), 3)
    wx = np.round(rng.random(n) + (rng.random(n) < 0.9) * 0.01, 3) + 0.001
    wy = rng.integers(0, 4, m).astype(float)
    wy[0] = 1.0
    exact = stats.ks_2samp(x, y, method="exact")
    p = exact_p(exact.statistic, n, m)
    assert abs(p - exact.pvalue) < 1e-9 or (n == m and p == 1), (p, exact)
    asymptotic = stats.ks_2samp(x, y, method="asymp")
    return {
        "x": x.tolist(), "y": y.tolist(), "xWeights": wx.tolist(), "yWeights": wy.tolist(),
        "ks": number(exact.statistic), "exact": number(p), "asymptotic": number(asymptotic.pvalue),
        "wasserstein": number(stats.wasserstein_distance(x, y)),
        "wassersteinWeighted": number(stats.wasserstein_distance(x, y, wx, wy)),
        "energy": number(stats.energy_distance(x, y)),
        "energyWeighted": number(stats.energy_distance(x, y, wx, wy)),
    }


def normed():
    n, m = int(rng.integers(12, 60)), int(rng.integers(1, 60))
    x, y = sample(n), sample(m)
    if rng.random() < 0.1:
        x[:] = x[0]
    clip = None if rng.random() < 0.5 else float(np.round(rng.random() * 0.3, 3))
    q = max(0.001, 5 / n) if clip is None else clip
    low, high = np.quantile(x, q), np.quantile(x, 1 - q)
    cx, cy = np.clip(x, low, high), np.clip(y, low, high)
    if low == high:
        value = 0.5 * sum(abs(np.mean(f(y)) - np.mean(f(x))) for f in (lambda v: v < low, lambda v: v == low, lambda v: v > low))
    else:
        value = stats.wasserstein_distance(cx, cy) / np.std(cx)
    return {"reference": x.tolist(), "current": y.tolist(), "clip": clip, "value": number(value)}


def calibration_error(y, p, bins, mass):
    edges = np.quantile(p, np.arange(bins + 1) / bins) if mass else np.arange(bins + 1) / bins
    total = 0.0
    for i in range(bins):
        inside = (p <= edges[i + 1]) & ((p > edges[i]) | (i == 0))
        if mass and i + 1 < bins and edges[i + 1] == edges[i] and i > 0:
            inside = inside & False
        total += abs((p[inside] - y[inside]).sum())
    return total / len(y)


def slope(y, p):
    z = np.log(np.maximum(p, 1e-15) / np.maximum(1 - p, 1e-15))
    if len(set(y)) < 2 or z[y == 1].min() >= z[y == 0].max() or z[y == 1].max() <= z[y == 0].min():
        return None

    def loss(w):
        eta = w[0] + w[1] * z
        return np.sum(np.logaddexp(0, np.where(y == 1, -eta, eta)))

    def gradient(w):
        r = 1 / (1 + np.exp(-(w[0] + w[1] * z))) - y
        return np.array([r.sum(), (r * z).sum()])

    def hessian(w):
        s = 1 / (1 + np.exp(-(w[0] + w[1] * z)))
        v = s * (1 - s)
        return np.array([[v.sum(), (v * z).sum()], [(v * z).sum(), (v * z * z).sum()]])

    found = minimize(loss, [0.0, 0.0], jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-11})
    return [number(found.x[1]), number(found.x[0])]


def quality():
    n = int(rng.integers(2, 30))
    p = np.round(rng.random(n), 2 if rng.random() < 0.5 else 4)
    y = (rng.random(n) < np.clip(p + rng.normal(0, 0.2), 0, 1)).astype(int)
    bins = int(rng.integers(1, 12))
    threshold = float(np.round(rng.random(), 2))
    hat = (p >= threshold).astype(int)
    tn, fp, fn, tp = skm.confusion_matrix(y, hat, labels=[0, 1]).ravel()
    truth = np.where(y == 1, p, 1 - p)
    p15 = np.maximum(truth, 1e-15)
    groups = rng.integers(0, 3, n)
    selection = [hat[groups == g].mean() for g in np.unique(groups)]
    return {
        "labels": y.tolist(), "probabilities": p.tolist(), "bins": bins, "threshold": threshold,
        "groups": groups.tolist(),
        "logLoss": number(-np.log(p15).mean()), "clipped": int((truth < 1e-15).sum()),
        "brier": number(((p - y) ** 2).mean()),
        "auc": number(skm.roc_auc_score(y, p)) if len(set(y)) == 2 else None,
        "equalWidth": number(calibration_error(y, p, bins, False)),
        "equalMass": number(calibration_error(y, p, bins, True)),
        "slope": slope(y, p), "confusion": [int(tn), int(fp), int(fn), int(tp)],
        "f1": number(skm.f1_score(y, hat)) if 2 * tp + fp + fn > 0 else None,
        "parityDifference": number(max(selection) - min(selection)) if len(selection) > 1 else None,
    }


def multiclass():
    n, k = int(rng.integers(1, 20)), int(rng.integers(2, 6))
    raw = rng.random((n, k)) ** 3
    p = raw / raw.sum(1, keepdims=True)
    y = rng.integers(0, k, n)
    hat = p.argmax(1)
    return {
        "labels": y.tolist(), "probabilities": p.tolist(), "accuracy": number((hat == y).mean()),
        "macroF1": number(skm.f1_score(y, hat, average="macro")),
        "logLoss": number(-np.log(np.maximum(p[np.arange(n), y], 1e-15)).mean()),
    }


def regression():
    n = int(rng.integers(2, 20))
    a = sample(n)
    b = np.round(a + rng.normal(0, 1, n), 3)
    return {
        "actual": a.tolist(), "predicted": b.tolist(), "mae": number(skm.mean_absolute_error(a, b)),
        "rmse": number(skm.root_mean_squared_error(a, b)), "bias": number((b - a).mean()),
        "r2": number(skm.r2_score(a, b)) if len(set(a.tolist())) > 1 else None,
    }


def cbpe():
    n, m = int(rng.integers(4, 40)), int(rng.integers(1, 30))
    p = np.round(rng.random(n), 2)
    y = (rng.random(n) < p**1.5).astype(int)
    q = np.round(rng.random(m), 2)
    threshold = float(np.round(rng.random(), 2))
    c = IsotonicRegression(out_of_bounds="clip").fit(p, y).predict(q)
    right = np.where(q >= threshold, c, 1 - c)
    wins = (q[:, None] > q[None, :]) + 0.5 * (q[:, None] == q[None, :])
    both = c.sum() * (1 - c).sum()
    auc = (wins * c[:, None] * (1 - c)[None, :]).sum() / both if c.sum() > 0 and (1 - c).sum() > 0 else None
    return {
        "labels": y.tolist(), "probabilities": p.tolist(), "current": q.tolist(), "threshold": threshold,
        "accuracy": number(right.mean()), "standardError": number(math.sqrt((c * (1 - c)).sum()) / m),
        "auc": None if auc is None else number(auc),
    }


def runs(detector, values, width=False):
    drifts, warned, widths = [], [], []
    for i, x in enumerate(values):
        detector.update(x)
        if detector.drift_detected:
            drifts.append(i)
        if getattr(detector, "warning_detected", False):
            warned.append(i)
        if width and i % 50 == 0:
            widths.append(int(detector.width))
    return {"drifts": drifts, "warned": warned, "widths": widths}


def stream():
    n = int(rng.integers(100, 700))
    change = int(rng.integers(20, n))
    p0, p1 = rng.random() * 0.6, rng.random()
    bits = (rng.random(n) < np.where(np.arange(n) < change, p0, p1)).astype(int)
    shift = float(np.round(rng.normal() * 2, 3))
    values = np.round(rng.normal(0, 1, n) + np.where(np.arange(n) < change, 0, shift), 2)
    adwin = {
        "delta": float(np.round(0.0005 + rng.random() * 0.3, 4)), "clock": int(rng.choice([1, 7, 32])),
        "max_buckets": int(rng.choice([5, 3])), "min_window_length": int(rng.choice([5, 2, 10])),
        "grace_period": int(rng.choice([10, 30])),
    }
    ph = {
        "min_instances": int(rng.choice([30, 10])), "delta": float(np.round(rng.random() * 0.05, 4)),
        "threshold": float(np.round(5 + rng.random() * 45, 2)), "alpha": float(rng.choice([0.9999, 0.99, 1.0])),
        "mode": str(rng.choice(["up", "down", "both"])),
    }
    ddm = {
        "warm_start": int(rng.choice([30, 10])), "warning_threshold": float(np.round(1 + rng.random(), 2)),
        "drift_threshold": float(np.round(2 + rng.random(), 2)),
    }
    eddm = {
        "warm_start": int(rng.choice([30, 10])), "alpha": float(np.round(0.9 + rng.random() * 0.1, 3)),
        "beta": float(np.round(0.7 + rng.random() * 0.2, 3)),
    }
    return {
        "bits": "".join(map(str, bits.tolist())), "values": [int(round(v * 100)) for v in values],
        "adwinOptions": adwin, "pageHinkleyOptions": ph, "ddmOptions": ddm, "eddmOptions": eddm,
        "adwinBits": runs(river_drift.ADWIN(), bits.tolist(), True),
        "adwin": runs(river_drift.ADWIN(**adwin), [int(round(v * 100)) / 100 for v in values], True),
        "pageHinkleyBits": runs(river_drift.PageHinkley(), bits.tolist()),
        "pageHinkley": runs(river_drift.PageHinkley(**ph), [int(round(v * 100)) / 100 for v in values]),
        "ddmDefault": runs(river_drift.binary.DDM(), bits.tolist()),
        "ddm": runs(river_drift.binary.DDM(**ddm), bits.tolist()),
        "eddmDefault": runs(river_drift.binary.EDDM(), bits.tolist()),
        "eddm": runs(river_drift.binary.EDDM(**eddm), bits.tolist()),
    }


def e_values():
    tolerated = float(np.round(0.02 + rng.random() * 0.5, 3))
    factor = float(rng.choice([1.0, 1.0, 2.5]))
    lambdas = [0.05, 0.1, 0.2, 0.35]
    minimum = int(rng.integers(1, 15))
    windows = [np.round(rng.random(int(rng.integers(0, 20))), 3) for _ in range(8)]
    m, pending, out = np.zeros(4), [], []
    for losses in windows:
        pending += losses.tolist()
        if len(losses) > 0 and len(pending) >= minimum:
            m = np.array([(v + 1) * np.prod(1 + l * (np.array(pending) - tolerated)) ** (1 / factor) for v, l in zip(m, lambdas)])
            pending = []
        out.append(None if m[0] == 0 else number(np.log(m.mean())))
    return {"tolerated": tolerated, "overdispersion": factor, "minCount": minimum, "windows": [w.tolist() for w in windows], "logEValues": out}


def document_stream():
    import random

    r = random.Random(12345)
    data = r.choices([0, 1], k=1000) + r.choices(range(4, 8), k=1000)
    return {"values": "".join(map(str, data)), "adwin": runs(river_drift.ADWIN(), data), "pageHinkley": runs(river_drift.PageHinkley(), data)}


makers = {
    "binned": binned, "contingency": contingency, "twoSamples": two_samples, "normed": normed, "quality": quality,
    "multiclass": multiclass, "regression": regression, "cbpe": cbpe, "eValues": e_values,
}
result = {
    "provenance": f"drift-oracle.py --count {args.count} --seed {args.seed}; numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}, river 0.26.1",
    "document": document_stream(),
}
for name, make in makers.items():
    result[name] = [make() for _ in range(args.count)]
result["stream"] = [stream() for _ in range(max(40, args.count // 10))]
with open(args.out, "w") as file:
    json.dump(result, file, separators=(",", ":"))
