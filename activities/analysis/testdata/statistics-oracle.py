"""Oracle values for the tests of @retempo/analysis, made with SciPy, statsmodels and mpmath.

    python statistics-oracle.py small > statistics-vectors.json     # committed: a few hundred per function
    python statistics-oracle.py full  > /tmp/statistics-full.json   # 10,000 per function, then in the repository:
    RETEMPO_STATISTICS_VECTORS=/tmp/statistics-full.json npx vitest run --project unit activities/analysis/oracle.test.ts

Seed 20261121; SciPy 1.17.1, statsmodels 0.15.0, NumPy 2. Rows are [input..., expected...].
"""
import json
import sys

import numpy as np
from scipy import optimize, special as sp, stats as st
from statsmodels.stats import contingency_tables as ct, multitest as mt, proportion as pr, stattools  # noqa: F401

N = {"small": 200, "full": 10_000}[sys.argv[1]]
rng = np.random.default_rng(20261121)
out = {}


def put(name, *columns):
    rows = [[None if isinstance(v, float) and not np.isfinite(v) else v for v in row]
            for row in zip(*[np.asarray(c).tolist() for c in columns])]
    out[name] = rows


z = np.concatenate([rng.normal(0, 3, N // 2), rng.uniform(-37.4, 37.4, N - N // 2)])
put("normalSf", z, st.norm.sf(z))
p = np.concatenate([rng.random(N // 2), 10.0 ** -rng.uniform(0, 300, N - N // 2)])
put("normalQuantile", p, sp.ndtri(p))
x = np.concatenate([10.0 ** rng.uniform(-8, 12, N // 2), rng.uniform(0, 12, N - N // 2)])
put("logGamma", x, sp.gammaln(x))
a, b = 10 ** rng.uniform(-2, 5, N), 10 ** rng.uniform(-2, 5, N)
m = a / (a + b)
x = np.clip(m + rng.normal(0, 3, N) * np.sqrt(m * (1 - m) / (a + b + 1)), 1e-9, 1 - 1e-9)
put("regularizedBeta", x, a, b, sp.betainc(a, b, x), sp.betaincc(a, b, x))
a = 10 ** rng.uniform(-2, 4.5, N)
x = np.abs(a + rng.normal(0, 4, N) * np.sqrt(a)) + 1e-6
put("regularizedGamma", a, x, sp.gammainc(a, x), sp.gammaincc(a, x))
df = rng.integers(1, 2000, N)
x = df * rng.gamma(2, 0.6, N)
put("chiSquareSf", x, df, st.chi2.sf(x, df))
t, df = rng.normal(0, 1, N) * 10 ** rng.uniform(-2, 2, N), 10 ** rng.uniform(0, 5, N)
put("studentTSf", t, df, st.t.sf(t, df))
n, p = (10 ** rng.uniform(0, 6, N)).astype(int), rng.random(N) ** 2
k = np.clip(np.round(n * p + rng.normal(0, 3, N) * np.sqrt(n * p * (1 - p))), 0, n).astype(int)
put("binomialCdf", k, n, p, st.binom.cdf(k, n, p))
n = (10 ** rng.uniform(0, 5.5, N)).astype(int)
d = np.clip(rng.uniform(0.1, 4, N) / np.sqrt(n), 0, 1)
put("kolmogorovSf", d, n, st.kstwo.sf(d, n))

n1, n2 = (10 ** rng.uniform(0.5, 5, N)).astype(int), (10 ** rng.uniform(0.5, 5, N)).astype(int)
base = rng.random(N) ** 2
x1, x2 = rng.binomial(n1, base), rng.binomial(n2, np.clip(base * rng.uniform(0.5, 2, N), 0, 1))
zs = []
for r in zip(x1, n1, x2, n2):
    zs.append(pr.proportions_ztest([r[0], r[2]], [r[1], r[3]]) if 0 < r[0] + r[2] < r[1] + r[3] else (0.0, 1.0))
put("proportionTest", x1, n1, x2, n2, [s[0] for s in zs], [s[1] for s in zs])
conf = rng.choice([0.8, 0.9, 0.95, 0.99], N)
w = [pr.proportion_confint(int(x), int(n), alpha=1 - c, method="wilson") for x, n, c in zip(x1, n1, conf)]
put("wilsonInterval", x1, n1, conf, [v[0] for v in w], [v[1] for v in w])


def exact(x, n, c):
    """Beta quantiles; dropped (NaN) where SciPy's inverse misses its own tail, as it does for 999 of 21,164 at .95."""
    tail = (1 - c) / 2
    lo = 0.0 if x == 0 else sp.betaincinv(x, n - x + 1, tail)
    hi = 1.0 if x == n else sp.betainccinv(x + 1, n - x, tail)
    lo_ok = x == 0 or abs(sp.betainc(x, n - x + 1, lo) / tail - 1) < 1e-9
    hi_ok = x == n or abs(sp.betaincc(x + 1, n - x, hi) / tail - 1) < 1e-9
    return lo if lo_ok else np.nan, hi if hi_ok else np.nan


w = [exact(int(x), int(n), float(c)) for x, n, c in zip(x1, n1, conf)]
put("clopperPearsonInterval", x1, n1, conf, [v[0] for v in w], [v[1] for v in w])
w = [pr.confint_proportions_2indep(int(a), int(b), int(c), int(d), method="newcomb", compare="diff", alpha=0.05)
     for a, b, c, d in zip(x1, n1, x2, n2)]
put("newcombeInterval", x1, n1, x2, n2, [v[0] for v in w], [v[1] for v in w])
b, c = rng.integers(0, 200, N), rng.integers(0, 200, N)
w = []
for i, j in zip(b, c):
    table = [[7, int(i)], [int(j), 5]]
    if i + j == 0:
        w.append((1.0, 0.0, 1.0, 1.0)); continue
    e, q = ct.mcnemar(table, exact=True), ct.mcnemar(table, exact=False, correction=False)
    w.append((e.pvalue, q.statistic, q.pvalue, 2 * st.binom.cdf(min(i, j), i + j, .5) - st.binom.pmf(min(i, j), i + j, .5)))
put("mcnemar", b, c, *[[v[i] for v in w] for i in range(4)])


def restricted(x1, n1, x2, n2, margin):
    """Maximum of the likelihood with p1 = p2 - margin, by bounded minimisation in high precision."""
    import mpmath as mp
    mp.mp.dps = 40
    lo, hi = mp.mpf(margin), mp.mpf(1)
    f = lambda p: (0 if x1 == 0 else x1 / (p - margin)) - (0 if x1 == n1 else (n1 - x1) / (1 - p + margin)) \
        + (0 if x2 == 0 else x2 / p) - (0 if x2 == n2 else (n2 - x2) / (1 - p))
    margin = mp.mpf(margin)
    for _ in range(130):
        mid = (lo + hi) / 2
        lo, hi = (mid, hi) if f(mid) > 0 else (lo, mid)
    p2 = (lo + hi) / 2
    p1 = p2 - margin
    v = p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2
    zz = (mp.mpf(x1) / n1 - mp.mpf(x2) / n2 + margin) / mp.sqrt(v)
    return float(zz), float(mp.erfc(zz / mp.sqrt(2)) / 2)


M = N
margin = rng.uniform(0.005, 0.3, M)
w = [restricted(int(a), int(b), int(c), int(d), float(e)) for a, b, c, d, e in zip(x1[:M], n1[:M], x2[:M], n2[:M], margin)]
put("nonInferiorityScore", x1[:M], n1[:M], x2[:M], n2[:M], margin, [v[0] for v in w], [v[1] for v in w])

rows = []
for _ in range(N):
    strata = []
    for _ in range(int(rng.integers(1, 5))):
        s1, s2 = int(rng.integers(5, 400)), int(rng.integers(5, 400))
        strata.append([int(rng.binomial(s1, rng.uniform(.1, .6))), s1, int(rng.binomial(s2, rng.uniform(.1, .6))), s2])
    table = ct.StratifiedTable([np.array([[a, b - a], [c, d - c]], float) for a, b, c, d in strata])
    test = table.test_null_odds(correction=False)
    bottom = sum(c * b / (b + d) for a, b, c, d in strata)
    if bottom == 0 or sum(c * (b - a) / (b + d) for a, b, c, d in strata) == 0:
        continue
    rr = sum(a * d / (b + d) for a, b, c, d in strata) / bottom
    rows.append([strata, float(table.oddsratio_pooled), float(rr), float(test.statistic), float(test.pvalue)])
out["mantelHaenszel"] = rows

rows = []
for i in range(N):
    n, k = int(rng.integers(2, 14)), int(rng.integers(2, 14))
    tied = i % 2 == 0
    x = (rng.integers(0, 9, n) if tied else np.round(rng.normal(0.3, 1, n), 6)).astype(float)
    y = (rng.integers(0, 9, k) if tied else np.round(rng.normal(0, 1, k), 6)).astype(float)
    alt = ["two-sided", "greater", "less"][i % 3]
    r = st.mannwhitneyu(x, y, alternative=alt, method="asymptotic") if len({*x, *y}) > 1 else None
    e = None if tied else st.mannwhitneyu(x, y, alternative=alt, method="exact").pvalue
    u = float(sum((a > b) + .5 * (a == b) for a in x for b in y))
    rows.append([x.tolist(), y.tolist(), alt, u, 1.0 if r is None else float(r.pvalue), e, float(np.median(np.subtract.outer(x, y)))])
out["mannWhitney"] = rows
rows = []
for i in range(N):
    x, y = rng.normal(0, 1, int(rng.integers(2, 20))), rng.normal(.5, 2, int(rng.integers(2, 20)))
    x, y = np.round(x, 6), np.round(y, 6)
    alt = ["two-sided", "greater", "less"][i % 3]
    r = st.ttest_ind(x, y, equal_var=False, alternative=alt)
    rows.append([x.tolist(), y.tolist(), alt, float(r.statistic), float(r.df), float(r.pvalue)])
out["welch"] = rows
rows = []
for i in range(N):
    ps = (rng.random(int(rng.integers(1, 12))) ** 2).round(6)
    rows.append([ps.tolist(), mt.multipletests(ps, method="holm")[1].tolist(), mt.multipletests(ps, method="fdr_bh")[1].tolist()])
out["adjust"] = rows


def delong(labels, champion, candidate):
    """Direct O(m n) placements."""
    pos, neg = np.where(labels == 1)[0], np.where(labels == 0)[0]
    v10, v01, aucs = [], [], []
    for s in (candidate, champion):
        psi = (s[pos][:, None] > s[neg][None, :]) + .5 * (s[pos][:, None] == s[neg][None, :])
        v10.append(psi.mean(1)); v01.append(psi.mean(0)); aucs.append(psi.mean())
    d10, d01 = v10[0] - v10[1], v01[0] - v01[1]
    var = d10.var(ddof=1) / len(pos) + d01.var(ddof=1) / len(neg)
    zz = (aucs[0] - aucs[1]) / np.sqrt(var) if var > 0 else 0.0
    return aucs[1], aucs[0], zz, 2 * st.norm.sf(abs(zz))


rows = []
while len(rows) < N:
    n = int(rng.integers(8, 40))
    labels = rng.integers(0, 2, n)
    if not 2 <= labels.sum() <= n - 2:
        continue
    s1, s2 = np.round(labels * .5 + rng.normal(0, 1, n), 1), np.round(labels * .4 + rng.normal(0, 1, n), 1)
    r = delong(labels, s1, s2)
    if r[2] != 0:
        rows.append([labels.tolist(), s1.tolist(), s2.tolist(), *map(float, r)])
out["delong"] = rows

# Count test by quadrature-free special functions, and its one-sided form.
x1, x2 = rng.integers(0, 400, N), rng.integers(0, 2000, N)
w, r, s = rng.uniform(.02, .9, N), rng.choice([.5, 1, 1.5, 2], N), rng.choice([1, 5, 20, 100], N)
t0 = w * r / (w * r + 1 - w)
a, b = s * t0, s * (1 - t0)
two = sp.betaln(a + x1, b + x2) - sp.betaln(a, b) - x1 * np.log(t0) - x2 * np.log1p(-t0)

def log_tail(tail):
    """Logarithm of a tail; dropped (NaN) where the double itself has lost its digits."""
    return np.log(np.where(tail < 1e-290, np.nan, tail))


up = two + log_tail(sp.betaincc(a + x1, b + x2, t0)) - log_tail(sp.betaincc(a, b, t0))
lo = two + log_tail(sp.betainc(a + x1, b + x2, t0)) - log_tail(sp.betainc(a, b, t0))
put("countTest", x1, x2, w, r, s, two, up, lo)


def bernoulli(successes, trials, alpha, t_opt):
    """confseq's bernoulli_confidence_interval, from its formula (beta-binomial mixture, alpha_opt .05)."""
    need = 2 * np.log(1 / .05)
    k = max(t_opt / (need + np.log1p(need)) - 1, 1e-3)
    f = lambda p: sp.betaln(k * p + successes, k * (1 - p) + trials - successes) - sp.betaln(k * p, k * (1 - p)) \
        - successes * np.log(p) - (trials - successes) * np.log1p(-p) - np.log(1 / alpha)
    mid = np.clip(successes / trials, 1e-12, 1 - 1e-12)
    lo = optimize.brentq(f, 1e-14, mid, xtol=1e-15) if successes > 0 and f(1e-14) > 0 > f(mid) else 0.0
    hi = optimize.brentq(f, mid, 1 - 1e-14, xtol=1e-15) if successes < trials and f(1 - 1e-14) > 0 > f(mid) else 1.0
    return lo, hi


M = N
n = rng.integers(1, 2000, M)
k = rng.binomial(n, rng.random(M))
al, to = rng.choice([.01, .05, .1], M), rng.integers(5, 2000, M)
r = [bernoulli(*v) for v in zip(k, n, al, to)]
put("bernoulliConfidenceSequence", k, n, al, to, [v[0] for v in r], [v[1] for v in r])

# From here on: one-look tests and sequential ones, from their definitions by quadrature or root finding.
rows = []
for _ in range(N):
    arms = int(rng.integers(2, 6))
    shares = rng.dirichlet(np.full(arms, 5.0))
    observed = rng.multinomial(int(10 ** rng.uniform(1, 6)), rng.dirichlet(2e4 * shares))
    r = st.chisquare(observed, observed.sum() * shares / shares.sum(), sum_check=False)
    rows.append([observed.tolist(), (shares / shares.sum()).tolist(), float(r.statistic), float(r.pvalue)])
out["sampleRatio"] = rows


def paired(a, b, c, d, conf):
    """Newcombe 1998, method 10: Wilson limits of both marginals, joined with the corrected phi."""
    n = a + b + c + d
    (l1, u1), (l2, u2) = [pr.proportion_confint(k, n, alpha=1 - conf, method="wilson") for k in (a + b, a + c)]
    p1, p2 = (a + b) / n, (a + c) / n
    under = float(a + b) * float(c + d) * float(a + c) * float(b + d)
    e = a * d - b * c
    phi = 0.0 if under == 0 else (max(e - n / 2, 0) if e > 0 else e) / np.sqrt(under)
    low = np.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    high = np.sqrt((p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2)
    return p1 - p2 - low, p1 - p2 + high


cells = (10 ** rng.uniform(0, 4, (N, 4))).astype(int) - 1
cells[:, 0] += 1
conf = rng.choice([0.8, 0.9, 0.95, 0.99], N)
w = [paired(*map(int, c), float(k)) for c, k in zip(cells, conf)]
put("newcombePaired", *cells.T, conf, [v[0] for v in w], [v[1] for v in w])


def power_of(n, p1, p2, alpha, two):
    """R power.prop.test, strict = FALSE."""
    z = st.norm.isf(alpha / 2 if two else alpha)
    m = (p1 + p2) / 2
    return st.norm.cdf((np.sqrt(n) * abs(p1 - p2) - z * np.sqrt(2 * m * (1 - m))) / np.sqrt(p1 * (1 - p1) + p2 * (1 - p2)))


rows = []
while len(rows) < N:
    p1, p2 = map(float, rng.uniform(0.01, 0.99, 2))
    alpha, power, two = float(rng.choice([0.01, 0.05, 0.1])), float(rng.uniform(0.3, 0.99)), bool(rng.integers(0, 2))
    if abs(p1 - p2) < 1e-3:
        continue
    f = lambda log_n: power_of(np.exp(log_n), p1, p2, alpha, two) - power
    n = float(np.exp(optimize.brentq(f, -20, 20, xtol=1e-14, rtol=1e-15)))
    at = float(10 ** rng.uniform(0.5, 4))
    rows.append([p1, p2, alpha, power, int(two), at, n, float(power_of(at, p1, p2, alpha, two))])
out["powerProportions"] = rows

# Mixtures as integrals over their normal prior, no closed form used: a trapezoid over 12 deviations on both sides of
# where the integrand is largest, which is exact to the last digits for functions that fall off like this one.
u = np.linspace(-12, 12, 961)


def log_mixture(s, v, prior):
    """ln of the integral of exp(t s - t^2 v / 2) over t from N(0, prior)."""
    wide = 1 / np.sqrt(v + 1 / prior)
    t = (s / (v + 1 / prior))[:, None] + wide[:, None] * u[None, :]
    terms = t * s[:, None] - t ** 2 * v[:, None] / 2 - t ** 2 / (2 * prior[:, None]) - np.log(2 * np.pi * prior[:, None]) / 2
    top = terms.max(axis=1)
    return top + np.log(np.exp(terms - top[:, None]).sum(axis=1) * (u[1] - u[0]) * wide)


variance, tau2 = 10 ** rng.uniform(-6, 1, N), 10 ** rng.uniform(-6, 1, N)
null = rng.normal(0, 1, N)
gap = rng.normal(0, 3, N) * np.sqrt(variance)
# The difference as the sum gives it: null + gap - null is not gap to the last digit.
gap = (null + gap) - null
put("msprt", null + gap, variance, tau2, null, log_mixture(gap / variance, 1 / variance, tau2))

v_opt, alpha = 10 ** rng.uniform(0, 4, N), rng.choice([0.01, 0.05, 0.1], N)
v = v_opt * 10 ** rng.uniform(-1, 1, N)
rho2 = v_opt / (2 * np.log(1 / alpha) + np.log1p(2 * np.log(1 / alpha)))
rho1 = v_opt / (2 * np.log(1 / (2 * alpha)) + np.log1p(2 * np.log(1 / (2 * alpha))))
s = rng.normal(0, 2, N) * np.sqrt(v)


def one_sided(s, v, rho):
    """ln of 2 / sqrt(2 pi / rho) times the integral of exp(l s - l^2 (v + rho) / 2) over l > 0, from its definition."""
    width = np.sqrt(v + rho)
    top = max(s, 0) / (v + rho)
    g = lambda u: np.exp((top + u / width) * s - (top + u / width) ** 2 * (v + rho) / 2 - top * s + top ** 2 * (v + rho) / 2)
    start = -top * width
    from scipy import integrate
    parts = [integrate.quad(g, a, b, epsabs=0, epsrel=1e-12, limit=200)[0]
             for a, b in [(max(start, -40), 0), (0, 40)] if b > a]
    return top * s - top ** 2 * (v + rho) / 2 + np.log(sum(parts) / width * 2 * np.sqrt(rho / (2 * np.pi)))


put("normalMixture", v_opt, alpha, s, v, rho2, rho1, log_mixture(s, v, 1 / rho2),
    [one_sided(*map(float, row)) for row in zip(s, v, rho1)])


def ratio_ends(steps, alpha, strength):
    """Ratios that the product of one-sided count tests does not reject, by bracketing on a grid and Brent."""
    def evidence(log_r, above):
        total = 0.0
        for x1, n1, x2, n2 in steps:
            share = n1 / (n1 + n2)
            t0 = share * np.exp(log_r) / (share * np.exp(log_r) + 1 - share)
            a, b = strength * t0, strength * (1 - t0)
            tail = sp.betaincc if above else sp.betainc
            total += (sp.betaln(a + x1, b + x2) - sp.betaln(a, b) - x1 * np.log(t0) - x2 * np.log1p(-t0)
                      + np.log(tail(a + x1, b + x2, t0)) - np.log(tail(a, b, t0)))
        return total + np.log(alpha)

    def end(above):
        if sum(step[0 if above else 2] for step in steps) == 0:
            return None
        centre = np.log(sum(x1 * n2 / (n1 + n2) for x1, n1, x2, n2 in steps) + .25) \
            - np.log(sum(x2 * n1 / (n1 + n2) for x1, n1, x2, n2 in steps) + .25)
        sign = -1 if above else 1
        if not evidence(centre, above) < 0:
            return None  # steps that disagree: the walk of the code under test is not repeated here
        last = 0.0
        for k in range(1, 60):
            here = evidence(centre + sign * k / 4, above)
            if not np.isfinite(here):
                return None
            if here >= 0:
                return float(np.exp(optimize.brentq(lambda t: evidence(t, above), centre + sign * last, centre + sign * k / 4, xtol=1e-14)))
            last = k / 4
        return None

    return end(True), end(False)


rows = []
for i in range(N):
    steps = []
    for _ in range(int(rng.integers(1, 4))):
        n1, n2, rate = int(rng.integers(50, 3000)), int(rng.integers(50, 3000)), rng.uniform(0.005, 0.1)
        steps.append([int(rng.binomial(n1, rate)), n1, int(rng.binomial(n2, rate * rng.uniform(.5, 2))), n2])
    alpha, strength = float(rng.choice([0.01, 0.05, 0.1])), float(rng.choice([5, 20, 100]))
    with np.errstate(all="ignore"):
        rows.append([steps, alpha, strength, *ratio_ends(steps, alpha, strength)])
out["rateRatioSequence"] = rows

estimate, error, n = rng.normal(0, 1, N), 10 ** rng.uniform(-4, 1, N), (10 ** rng.uniform(2, 6, N)).astype(int)
tuning = 10 ** rng.uniform(2, 5, N)
alpha = rng.choice([0.01, 0.05, 0.1], N)


def both(z, r, m):
    """ln of the mixture over N(0, rho^2) of the likelihood ratio of a mean at z standard errors."""
    return z * z / 2 * (m * r * r / (m * r * r + 1)) - np.log1p(m * r * r) / 2


rho = np.sqrt((-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / tuning)
z = [optimize.brentq(lambda t, r=r, m=m, a=a: both(t, r, m) + np.log(a), 0, 400, xtol=1e-13)
     for r, m, a in zip(rho, n, alpha)]
put("asymptoticCs", estimate, error, n, alpha, tuning, rho, estimate - error * z, estimate + error * z)

def two_looks(t1, t2, alpha, sides, kind, phi):
    """Boundaries of two looks: crossing at the second by one integral over the statistic of the first."""
    from scipy import integrate
    per = alpha / sides
    root = np.sqrt(t1 / t2)
    rest = np.sqrt(1 - t1 / t2)

    def second(c1, c2):
        low = -c1 if sides == 2 else -12.0
        f = lambda z: st.norm._pdf(z) * sp.ndtr(-(c2 - root * z) / rest)
        middle = min(max(c2 / root, low), c1)
        return sum(integrate.quad(f, a, b, epsabs=1e-15, epsrel=1e-12, limit=200)[0]
                   for a, b in [(low, middle), (middle, c1)] if b > a)

    if kind in ("pocock", "obrienFleming"):
        shape = (lambda t: 1.0) if kind == "pocock" else (lambda t: 1 / np.sqrt(t))
        f = lambda c: sp.ndtr(-c * shape(t1)) + second(c * shape(t1), c * shape(t2)) - per
        c = optimize.brentq(f, 0.05, 10, xtol=1e-14)
        return c * shape(t1), c * shape(t2)
    spend = {"lanDeMetsObrienFleming": lambda t: 2 * sp.ndtr(sp.ndtri(per / 2) / np.sqrt(t)),
             "lanDeMetsPocock": lambda t: per * np.log(1 + (np.e - 1) * t),
             "power": lambda t: per * t ** phi}[kind]
    c1 = -sp.ndtri(spend(t1))
    return c1, optimize.brentq(lambda c: second(c1, c) - (spend(t2) - spend(t1)), -3, 10, xtol=1e-14)


kinds = ["obrienFleming", "pocock", "lanDeMetsObrienFleming", "lanDeMetsPocock", "power"]
rows = []
for i in range(min(N, 1_000)):
    t1, t2 = float(rng.uniform(.2, .8)), float(rng.choice([1.0, .9]))
    alpha, sides, phi = float(rng.choice([.01, .05, .1])), int(rng.integers(1, 3)), float(rng.choice([1, 2, 3]))
    rows.append([[t1, t2], alpha, sides, kinds[i % 5], phi, *map(float, two_looks(t1, t2, alpha, sides, kinds[i % 5], phi))])
out["groupSequential"] = rows
json.dump(out, sys.stdout, separators=(",", ":"))
