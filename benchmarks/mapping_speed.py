"""What mapping methods cost

50 correlated features, two classes, domains whose means differ, as many rows in each. A fit is
everything up to a logistic regression on the mapped source rows. Each measurement is a process of
its own with one BLAS thread: CPU time, the least of up to three fits, and the largest memory during
the first fit beyond what the process held before. The machine was busy with other work, too. Needs
Linux.

    make benchmark-mapping_speed

Without the peers their rows are missing. ``pip install skada adapt tensorflow`` brings them; where
they are not to be in the same environment, PEER_PYTHON names the Python of another one, which needs
skdtl as well:

    PEER_PYTHON=PYTHON python benchmarks/mapping_speed.py

## Against SKADA and ADAPT

TCA has 10 components, the rbf kernel of width 1/50 or the linear one, and mu=1; the other methods
have the settings that each library takes for granted. The angle is the largest between the space of
the mapped rows and that of TCA's formula, solved by `scipy.linalg.eigh` with dense matrices.

{peers}

## As the rows become more

Every mapping method of skdtl with its default settings, and with the rbf kernel and its
approximations where it has them, from 250 rows in each domain on, while a fit stays under 5 s and 4
GB. The exponent is the slope of the last four sizes that took more than 10 ms.

![CPU time against the number of rows](mapping_cost.png)

{growth}
"""

import inspect
import os
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
from _harness import Benchmark, Method, Task
from _harness.fits import of_peer
from _harness.tables import table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel

import skdtl
from skdtl.utils import all_estimators

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

N_FEATURES, N_COMPONENTS, GAMMA, MU = 50, 10, 1 / 50, 1.0
SIZES = [250 * 2**k for k in range(9)]
# A fit that would need more than this, by the growth so far, is not tried.
MAX_SECONDS, MAX_MEMORY = 5.0, 4e9


@dataclass
class Rows:
    Xs: np.ndarray
    ys: np.ndarray
    Xt: np.ndarray

    @property
    def both(self):
        return np.vstack([self.Xs, self.Xt])


def draw(n, seed=0):
    """Draw two domains of correlated features whose means differ."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(N_FEATURES, N_FEATURES)) / np.sqrt(N_FEATURES)
    Xs, Xt = (rng.normal(size=(n, N_FEATURES)) @ A for _ in range(2))
    y = np.arange(n) % 2
    Xs[:, 0] += 2 * y
    Xt[:, 0] += 2 * y
    return Rows(Xs, y, Xt + 0.3 * rng.normal(size=N_FEATURES))


# -- how each library fits, and maps the rows of both domains --------------------------------------


def fit_skada(name, options, _, rows):
    import skada

    X, y = rows.both, np.concatenate([rows.ys, np.full(len(rows.Xt), -1)])
    codes = np.repeat([1, -1], [len(rows.Xs), len(rows.Xt)])
    if name.startswith("JDOT"):
        model = getattr(skada, name)(LogisticRegression(), **options)
    else:
        model = skada.make_da_pipeline(getattr(skada, name)(**options), LogisticRegression())
    return model.fit(X, y, sample_domain=codes)


def map_skada(model, rows):
    codes = np.repeat([1, -1], [len(rows.Xs), len(rows.Xt)])
    return model[0].base_estimator_.transform(rows.both, sample_domain=codes, allow_source=True)


def fit_adapt(name, options, _, rows):
    import adapt.feature_based

    cls = getattr(adapt.feature_based, name)
    model = cls(LogisticRegression(), Xt=rows.Xt, verbose=0, random_state=0, **options)
    return model.fit(rows.Xs, rows.ys)


def map_adapt(model, rows):
    return np.vstack(
        [model.transform(rows.Xs, domain="src"), model.transform(rows.Xt, domain="tgt")]
    )


def dense_components(rows):
    """Return K W for TCA as its formula has it: both matrices, and a dense solver."""
    K = rbf_kernel(rows.both, gamma=GAMMA)
    n = len(K)
    a = K @ np.repeat([1 / len(rows.Xs), -1 / len(rows.Xt)], [len(rows.Xs), len(rows.Xt)])
    P = np.outer(a, a)
    P[np.diag_indices_from(P)] += MU
    S = (K - K.mean(axis=0)).T @ K
    return K @ scipy.linalg.eigh(S, P, subset_by_index=[n - N_COMPONENTS, n - 1])[1]


def fit_dense(_, rows):
    Z = dense_components(rows)
    LogisticRegression().fit((Z / Z.std())[: len(rows.Xs)], rows.ys)
    return Z


def fit_ours(model, rows):
    return model.fit(rows.Xs, rows.ys, rows.Xt)


def sine_of_angle(mapped, model, rows):
    """Compare the mapped rows with those of the dense solver."""
    angles = scipy.linalg.subspace_angles(dense_components(rows), mapped(model, rows))
    return {"sine": np.sin(angles.max())}


def no_score(model, rows):
    return {}


# -- against the peers -----------------------------------------------------------------------------

OURS, DENSE = "skdtl", "scipy's dense solver"
PEERS = {"SKADA": (fit_skada, map_skada, "skada"), "ADAPT": (fit_adapt, map_adapt, "adapt")}
RBF = {"kernel": "rbf", "gamma": GAMMA, "n_components": N_COMPONENTS, "mu": MU}
LINEAR = {"kernel": "linear", "n_components": N_COMPONENTS, "mu": MU}
SPACE = {"n_components": N_COMPONENTS}
# What is compared, and under which name and with which options each library has it. SKADA's rbf
# kernel has the width 1 / n_features, and its mu weighs the other term.
TCA_OF_SKADA = "TransferComponentAnalysisAdapter"
COMPARED = {
    "TCA, rbf": (
        skdtl.TCA(**RBF),
        {
            "SKADA": (TCA_OF_SKADA, {"kernel": "rbf", **SPACE, "mu": 1 / MU}),
            "ADAPT": ("TCA", RBF),
        },
    ),
    "TCA, linear": (
        skdtl.TCA(**SPACE),
        {"SKADA": (TCA_OF_SKADA, LINEAR), "ADAPT": ("TCA", LINEAR)},
    ),
    "CORAL": (skdtl.CORAL(), {"SKADA": ("CORALAdapter", {}), "ADAPT": ("CORAL", {})}),
    "subspace alignment": (
        skdtl.SubspaceAlignment(**SPACE),
        {"SKADA": ("SubspaceAlignmentAdapter", SPACE), "ADAPT": ("SA", SPACE)},
    ),
    "TJM": (skdtl.TJM(**SPACE), {"SKADA": ("TransferJointMatchingAdapter", SPACE)}),
    "optimal transport": (skdtl.OTMapping(), {"SKADA": ("OTMappingAdapter", {})}),
    "linear optimal transport": (
        skdtl.LinearOTMapping(),
        {"SKADA": ("LinearOTMappingAdapter", {})},
    ),
    "JDOT": (skdtl.JDOT(), {"SKADA": ("JDOTClassifier", {})}),
}


def libraries(name, n):
    """Return how each library does a method; the peers up to 2000 rows: more takes minutes."""
    own, others = COMPARED[name]

    def angle(mapped):
        if name == "TCA, rbf" and n == 1000:
            return partial(sine_of_angle, mapped)
        return None

    found = {OURS: Method(own, fit_ours, figures=angle(lambda m, rows: m.transform(rows.both)))}
    if n <= 2000:
        for peer, (theirs, options) in others.items():
            fit, mapped, package = PEERS[peer]
            found[peer] = Method(
                fit=of_peer(partial(fit, theirs, options)),
                figures=angle(mapped),
                python=os.environ.get("PEER_PYTHON"),
                needs=(package,),
            )
        if name == "TCA, rbf":
            found[DENSE] = Method(fit=fit_dense, figures=angle(lambda Z, rows: Z))
    return found


def measured(name, n, methods, when=None):
    return Task(
        name,
        partial(draw, n),
        methods,
        no_score,
        isolated=True,
        least_of=3,
        warm_up=partial(draw, 100),
        when=when,
    )


CASES = [(name, n) for name in COMPARED for n in (1000, 2000, 4000)]


def compared(case):
    name, n = case
    return f"{name}: {n} rows"


def beyond(fit):
    """Return the memory that a fit took."""
    return fit["memory"]["peak"] - fit["memory"]["before"]


def peers(lines):
    def cpu(case, library):
        fit = lines.get(compared(case), library)
        return fit["error"] if "error" in fit else f"{fit['seconds']:.3f}"

    def times(case, library):
        theirs, ours = (lines.get(compared(case), which) for which in (library, OURS))
        known = library != OURS and "error" not in theirs
        return f"{theirs['seconds'] / ours['seconds']:.1f}" if known else ""

    def memory(case, library):
        fit = lines.get(compared(case), library)
        return "" if "error" in fit else f"{beyond(fit) / 1e6:.0f}"

    def sine(case, library):
        value = (lines.get(compared(case), library).get("scores") or {}).get("sine")
        return "" if value is None else f"{value:.0e}"

    return table(
        [
            (case, library)
            for case in CASES
            for library in (OURS, *PEERS, DENSE)
            if lines.get(compared(case), library)
        ],
        {
            "method": lambda row: row[0][0],
            "rows a domain": lambda row: row[0][1],
            "library": lambda row: row[1],
            "CPU, s": lambda row: cpu(*row),
            "CPU / ours": lambda row: times(*row),
            "peak, MB": lambda row: memory(*row),
            "sine of the angle": lambda row: sine(*row),
        },
    )


# -- as the rows become more -----------------------------------------------------------------------


def own_methods():
    """Return every classical mapping method, with each kind of kernel that it has."""
    found = {}
    for name, cls in all_estimators():
        parameters = inspect.signature(cls).parameters
        if not cls.__module__.startswith("skdtl.mapping.") or "max_epochs" in parameters:
            continue
        found[name] = Method(cls(), fit_ours)
        if "kernel" in parameters and parameters["kernel"].default != "rbf":
            found[f"{name}, rbf"] = Method(cls(kernel="rbf"), fit_ours)
        if "approximation" in parameters:
            # What the features are makes little difference to what the method does with them.
            for kind in ("nystroem", "fourier") if name == "TCA" else ("nystroem",):
                model = cls(kernel="rbf", approximation=kind)
                found[f"{name}, rbf, {kind}"] = Method(model, fit_ours)
    return found


def grown(n):
    return f"growth: {n} rows"


def within_limits(n, name, lines):
    """Whether a fit to n rows will be, by the growth so far."""
    fits = [lines.get(grown(size), name) for size in SIZES[: SIZES.index(n)]]
    if None in fits:
        return False
    for cost, least, limit in (
        (lambda fit: fit["seconds"], 1e-6, MAX_SECONDS),
        (beyond, 1, MAX_MEMORY),
    ):
        if len(fits) > 1:
            before, last = (max(cost(fit), least) for fit in fits[-2:])
            if last * max(last / before, 2) > limit:
                return False
    return True


OWN = own_methods()


def curve(name, lines):
    """Return sizes, CPU times and memory of a method."""
    sizes = [n for n in SIZES if lines.get(grown(n), name)]
    fits = [lines.get(grown(n), name) for n in sizes]
    seconds, memory = [fit["seconds"] for fit in fits], [beyond(fit) for fit in fits]
    return np.array(sizes), np.array(seconds), np.array(memory)


def exponent(sizes, times):
    """Return the slope, on logarithmic axes, of the last four sizes that took over 10 ms."""
    counts = times > 0.01
    if counts.sum() < 3:
        return None
    return np.polyfit(np.log(sizes[counts][-4:]), np.log(times[counts][-4:]), 1)[0]


def growth(lines):
    curves = {name: curve(name, lines) for name in OWN}

    def at(n, name):
        fit = lines.get(grown(n), name)
        return f"{fit['seconds']:.3f}" if fit else ""

    def slope(name):
        value = exponent(*curves[name][:2])
        return "" if value is None else f"{value:.1f}"

    return table(
        OWN,
        {
            "method": str,
            "CPU, s at 1000 rows": partial(at, 1000),
            "4000": partial(at, 4000),
            "largest number of rows": lambda name: curves[name][0][-1],
            "CPU, s": lambda name: f"{curves[name][1][-1]:.2f}",
            "peak, MB": lambda name: f"{curves[name][2][-1] / 1e6:.0f}",
            "exponent": slope,
        },
    )


def picture(lines, path):
    """Draw CPU time against the number of rows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(label.split(",")[0] for label in OWN))
    colours = plt.get_cmap("tab20" if len(names) > 10 else "tab10")
    panels = {
        "as they come": lambda kind: kind == "",
        "rbf kernel": lambda kind: kind == " rbf",
        "rbf kernel, 500 features for it": lambda kind: kind.startswith(" rbf,"),
    }
    fig, axes = plt.subplots(
        1, len(panels), figsize=(11, 6), sharex=True, sharey=True, layout="constrained"
    )
    for ax, (title, belongs) in zip(axes, panels.items()):
        for label in OWN:
            sizes, times, _ = curve(label, lines)
            name, _, kind = label.partition(",")
            if belongs(kind):
                slope = exponent(sizes, times)
                colour = colours(names.index(name))
                name = name if "fourier" not in kind else f"{name}, fourier"
                ax.plot(
                    sizes,
                    times,
                    ":" if "fourier" in kind else "-",
                    marker=".",
                    color=colour,
                    label=name if slope is None else f"{name}, n^{slope:.1f}",
                )
        ax.set(xscale="log", yscale="log", title=title, xlabel="rows in each domain")
        ax.grid(alpha=0.3)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize="small")
    axes[0].set_ylabel("fit, CPU seconds")
    fig.savefig(path, dpi=80)
    plt.close(fig)


TASKS = [measured(compared((name, n)), n, libraries(name, n)) for name, n in CASES]
TASKS += [measured(grown(n), n, OWN, partial(within_limits, n)) for n in SIZES]
BENCHMARK = Benchmark(
    __file__,
    __doc__,
    TASKS,
    {"peers": peers, "growth": growth},
    pictures={"mapping_cost.png": picture},
    packages=("pot", "skada", "adapt", "tensorflow"),
)

if __name__ == "__main__":
    BENCHMARK.main()
