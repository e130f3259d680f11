"""What mapping methods cost: against SKADA and ADAPT, and as the rows become more.

50 correlated features, two classes, domains whose means differ, as many rows in each. A fit is
everything up to a logistic regression on the mapped source rows. Each measurement is a process of
its own with one BLAS thread: CPU time, the least of up to three fits, and the largest memory during
the first fit beyond what the process held before. Needs Linux. Writes
benchmarks/results/mapping_speed.md and mapping_cost.png.

    make benchmark-mapping_speed

Without the peers their rows say so. ``pip install skada adapt tensorflow`` brings them; where they
are not to be in the same environment, give the Python of another one (the other options are to
measure the peers at 4000 rows too, which takes minutes and 6 GB, and to stop growing earlier):

    python benchmarks/mapping_speed.py --peer-python PYTHON --large --limit 10
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import time
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"), TF_CPP_MIN_LOG_LEVEL="3")

import numpy as np  # noqa: E402
import scipy.linalg  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics.pairwise import rbf_kernel  # noqa: E402

RESULTS = Path(__file__).parent / "results"
N_FEATURES, N_COMPONENTS, GAMMA, MU = 50, 10, 1 / 50, 1.0
SIZES = [250 * 2**k for k in range(9)]
# A fit that would need more than this, by the growth so far, is not tried.
MAX_MEMORY = 4e9


def domains(n):
    """Draw two domains of correlated features whose means differ."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(N_FEATURES, N_FEATURES)) / np.sqrt(N_FEATURES)
    Xs, Xt = (rng.normal(size=(n, N_FEATURES)) @ A for _ in range(2))
    y = np.arange(n) % 2
    Xs[:, 0] += 2 * y
    Xt[:, 0] += 2 * y
    return Xs, y, Xt + 0.3 * rng.normal(size=N_FEATURES)


# --- one measurement, in a process of its own -------------------------------------------------


def fit_ours(name, options):
    """Return a function that fits a method of skdtl, and one that maps rows by the result."""
    import skdtl

    cls = getattr(skdtl, name)
    if "random_state" in inspect.signature(cls).parameters:
        options = {"random_state": 0, **options}

    def fit(Xs, ys, Xt):
        return cls(**options).fit(Xs, ys, Xt)

    return fit, lambda model, Xs, Xt: model.transform(np.vstack([Xs, Xt]))


def fit_skada(name, options):
    """Do the same for SKADA."""
    import skada

    def fit(Xs, ys, Xt):
        X, y = np.vstack([Xs, Xt]), np.concatenate([ys, np.full(len(Xt), -1)])
        codes = np.repeat([1, -1], [len(Xs), len(Xt)])
        if name.startswith("JDOT"):
            model = getattr(skada, name)(LogisticRegression(), **options)
        else:
            model = skada.make_da_pipeline(getattr(skada, name)(**options), LogisticRegression())
        return model.fit(X, y, sample_domain=codes)

    def mapped(model, Xs, Xt):
        codes = np.repeat([1, -1], [len(Xs), len(Xt)])
        adapter = model[0].base_estimator_
        return adapter.transform(np.vstack([Xs, Xt]), sample_domain=codes, allow_source=True)

    return fit, mapped


def fit_adapt(name, options):
    """Do the same for ADAPT."""
    import adapt.feature_based

    def fit(Xs, ys, Xt):
        cls = getattr(adapt.feature_based, name)
        return cls(LogisticRegression(), Xt=Xt, verbose=0, random_state=0, **options).fit(Xs, ys)

    def mapped(model, Xs, Xt):
        return np.vstack([model.transform(Xs, domain="src"), model.transform(Xt, domain="tgt")])

    return fit, mapped


def dense_components(Xs, Xt):
    """Return K W for TCA as its formula has it: both matrices, and a dense solver."""
    K = rbf_kernel(np.vstack([Xs, Xt]), gamma=GAMMA)
    n = len(K)
    a = K @ np.repeat([1 / len(Xs), -1 / len(Xt)], [len(Xs), len(Xt)])
    P = np.outer(a, a)
    P[np.diag_indices_from(P)] += MU
    S = (K - K.mean(axis=0)).T @ K
    return K @ scipy.linalg.eigh(S, P, subset_by_index=[n - N_COMPONENTS, n - 1])[1]


def fit_dense(name, options):
    """Do the same with the dense solver."""

    def fit(Xs, ys, Xt):
        Z = dense_components(Xs, Xt)
        LogisticRegression().fit((Z / Z.std())[: len(Xs)], ys)
        return Z

    return fit, lambda Z, Xs, Xt: Z


def sine_of_angle(Z, Xs, Xt):
    """Compare mapped rows with those of the dense solver."""
    return float(np.sin(scipy.linalg.subspace_angles(dense_components(Xs, Xt), Z).max()))


LIBRARIES = {
    "skdtl": fit_ours,
    "SKADA": fit_skada,
    "ADAPT": fit_adapt,
    "scipy's dense solver": fit_dense,
}


def status(key):
    """Return a number of bytes that Linux tells of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    raise KeyError(key)


def measure(library, name, options, n, angle=False):
    """Fit; print what it took."""
    fit, mapped = LIBRARIES[library](name, options)
    data = domains(n)
    fit(*domains(100))  # what is loaded at the first use is no cost of a fit
    Path("/proc/self/clear_refs").write_text("5")  # the largest memory so far is forgotten
    before, times = status("VmRSS"), []
    while not times or (len(times) < 3 and sum(times) < 2):
        started = time.process_time()
        model = fit(*data)
        times.append(time.process_time() - started)
        if len(times) == 1:
            memory = status("VmHWM") - before
    taken = {"cpu": min(times), "memory": memory}
    if angle:
        taken["angle"] = sine_of_angle(mapped(model, data[0], data[2]), data[0], data[2])
    print(json.dumps(taken))


def measured(python, *arguments, **options):
    """Measure in another process; return an error's last line where it fails."""
    command = [python, __file__, "--measure", json.dumps([arguments, options])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"error": lines[-1] if lines else f"exit code {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


# --- against the peers ------------------------------------------------------------------------

RBF = {"kernel": "rbf", "gamma": GAMMA}
PEERS = ("SKADA", "ADAPT")
# What is compared, and under which name and with which options each library has it. SKADA's rbf
# kernel has the width 1 / n_features, and its mu weighs the other term.
COMPARED = {
    "TCA, rbf": {
        "skdtl": ("TCA", {**RBF, "n_components": N_COMPONENTS, "mu": MU}),
        "SKADA": (
            "TransferComponentAnalysisAdapter",
            {"kernel": "rbf", "n_components": N_COMPONENTS, "mu": 1 / MU},
        ),
        "ADAPT": ("TCA", {**RBF, "n_components": N_COMPONENTS, "mu": MU}),
        "scipy's dense solver": ("", {}),
    },
    "TCA, linear": {
        "skdtl": ("TCA", {"n_components": N_COMPONENTS}),
        "SKADA": (
            "TransferComponentAnalysisAdapter",
            {"kernel": "linear", "n_components": N_COMPONENTS, "mu": 1.0},
        ),
        "ADAPT": ("TCA", {"kernel": "linear", "n_components": N_COMPONENTS, "mu": 1.0}),
    },
    "CORAL": {
        "skdtl": ("CORAL", {}),
        "SKADA": ("CORALAdapter", {}),
        "ADAPT": ("CORAL", {}),
    },
    "subspace alignment": {
        "skdtl": ("SubspaceAlignment", {"n_components": N_COMPONENTS}),
        "SKADA": ("SubspaceAlignmentAdapter", {"n_components": N_COMPONENTS}),
        "ADAPT": ("SA", {"n_components": N_COMPONENTS}),
    },
    "TJM": {
        "skdtl": ("TJM", {"n_components": N_COMPONENTS}),
        "SKADA": ("TransferJointMatchingAdapter", {"n_components": N_COMPONENTS}),
    },
    "optimal transport": {
        "skdtl": ("OTMapping", {}),
        "SKADA": ("OTMappingAdapter", {}),
    },
    "linear optimal transport": {
        "skdtl": ("LinearOTMapping", {}),
        "SKADA": ("LinearOTMappingAdapter", {}),
    },
    "JDOT": {
        "skdtl": ("JDOT", {}),
        "SKADA": ("JDOTClassifier", {}),
    },
}


def against_peers(peer_python, large, sizes):
    """Return the lines of the table against the peers."""
    import skdtl

    lines = [
        "| method | rows a domain | library | CPU, s | CPU / ours | peak, MB | sine of the angle |",
        "|---|---|---|---|---|---|---|",
    ]
    for method, libraries in COMPARED.items():
        if libraries["skdtl"][0] not in skdtl.__all__:
            continue
        for n in sizes:
            ours = None
            for library, (name, options) in libraries.items():
                if n > 2000 and library != "skdtl" and not large:
                    continue
                python = peer_python if library in PEERS else sys.executable
                angle = method == "TCA, rbf" and n == 1000
                taken = measured(python, library, name, options, n, angle=angle)
                if "error" in taken:
                    lines.append(f"| {method} | {n} | {library} | {taken['error']} | | | |")
                else:
                    ours = taken["cpu"] if library == "skdtl" else ours
                    times = f"{taken['cpu'] / ours:.1f}" if ours and library != "skdtl" else ""
                    sine = f"{taken['angle']:.0e}" if angle else ""
                    lines.append(
                        f"| {method} | {n} | {library} | {taken['cpu']:.3f} | {times} "
                        f"| {taken['memory'] / 1e6:.0f} | {sine} |"
                    )
                print(lines[-1], flush=True)
    return lines


# --- as the rows become more ------------------------------------------------------------------


def our_cases():
    """Return every mapping method, with each kind of kernel that it has: label to options."""
    from skdtl.utils import all_estimators

    cases = {}
    for name, cls in all_estimators():
        parameters = inspect.signature(cls).parameters
        if not cls.__module__.startswith("skdtl.mapping.") or "max_epochs" in parameters:
            continue
        cases[name] = (name, {})
        if "kernel" in parameters and parameters["kernel"].default != "rbf":
            cases[f"{name}, rbf"] = (name, {"kernel": "rbf"})
        if "approximation" in parameters:
            # What the features are makes little difference to what the method does with them.
            for approximation in ("nystroem", "fourier") if name == "TCA" else ("nystroem",):
                options = {"kernel": "rbf", "approximation": approximation}
                cases[f"{name}, rbf, {approximation}"] = (name, options)
    return cases


def growth(limit):
    """Measure each method on more and more rows; return label to (sizes, CPU times, memory)."""
    curves = {}
    for label, (name, options) in our_cases().items():
        sizes, times, memory = [], [], []
        for n in SIZES:
            if len(times) > 1:  # by the growth so far
                time_ahead = times[-1] * max(times[-1] / times[-2], 2)
                memory_ahead = memory[-1] * max(memory[-1] / max(memory[-2], 1), 2)
                if time_ahead > limit or memory_ahead > MAX_MEMORY:
                    break
            taken = measured(sys.executable, "skdtl", name, options, n)
            if "error" in taken:
                print(label, n, taken["error"], flush=True)
                break
            sizes.append(n)
            times.append(taken["cpu"])
            memory.append(taken["memory"])
            print(f"{label}: {n} rows, {times[-1]:.3f} s, {memory[-1] / 1e6:.0f} MB", flush=True)
        curves[label] = np.array(sizes), np.array(times), np.array(memory)
    return curves


def exponent(sizes, times):
    """Return the slope, on logarithmic axes, of the last four sizes that took over 10 ms."""
    counts = times > 0.01
    if counts.sum() < 3:
        return None
    return np.polyfit(np.log(sizes[counts][-4:]), np.log(times[counts][-4:]), 1)[0]


def growth_table(curves):
    """Return the lines of the table of growth."""
    lines = [
        "| method | CPU, s at 1000 rows | 4000 | largest number of rows | CPU, s | peak, MB "
        "| exponent |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, (sizes, times, memory) in curves.items():
        at = dict(zip(sizes.tolist(), times))
        cells = [f"{at[n]:.3f}" if n in at else "" for n in (1000, 4000)]
        slope = exponent(sizes, times)
        cells += [f"{sizes[-1]}", f"{times[-1]:.2f}", f"{memory[-1] / 1e6:.0f}"]
        cells += ["" if slope is None else f"{slope:.1f}"]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def draw(curves):
    """Draw CPU time against the number of rows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(label.split(",")[0] for label in curves))
    colours = plt.get_cmap("tab20" if len(names) > 10 else "tab10")
    panels = {
        "as they come": lambda kind: kind == "",
        "rbf kernel": lambda kind: kind == " rbf",
        "rbf kernel, 500 features for it": lambda kind: kind.startswith(" rbf,"),
    }
    fig, axes = plt.subplots(
        1, len(panels), figsize=(11, 5), sharex=True, sharey=True, layout="constrained"
    )
    for ax, (title, belongs) in zip(axes, panels.items()):
        for label, (sizes, times, _) in curves.items():
            name, _, kind = label.partition(",")
            if belongs(kind):
                slope = exponent(sizes, times)
                name = name if "fourier" not in kind else f"{name}, fourier"
                ax.plot(
                    sizes,
                    times,
                    ":" if "fourier" in kind else "-",
                    marker=".",
                    color=colours(names.index(label.split(",")[0])),
                    label=name if slope is None else f"{name}, n^{slope:.1f}",
                )
        ax.set(xscale="log", yscale="log", title=title, xlabel="rows in each domain")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")
    axes[0].set_ylabel("fit, CPU seconds")
    fig.savefig(RESULTS / "mapping_cost.png", dpi=80)


def main():
    """Print and write the tables, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="a Python with the peers")
    parser.add_argument("--large", action="store_true", help="measure the peers at 4000 rows, too")
    parser.add_argument("--limit", type=float, default=60.0, help="CPU seconds of a fit, at most")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        positional, options = json.loads(arguments.measure)
        return measure(*positional, **options)

    lines = [
        "# What mapping methods cost",
        "",
        "`make benchmark-mapping_speed`",
        "",
        f"{N_FEATURES} correlated features, two classes, domains whose means differ, as many rows "
        "in each. A fit is everything up to a logistic regression on the mapped source rows. Each "
        "measurement is a process of its own with one BLAS thread: CPU time, the least of up to "
        "three fits, and the largest memory during the first fit beyond what the process held "
        "before.",
        "",
        "## Against SKADA and ADAPT",
        "",
        f"TCA has {N_COMPONENTS} components, the rbf kernel of width 1/{N_FEATURES} or the linear "
        f"one, and mu={MU:g}; the other methods have the settings that each library takes for "
        "granted. The angle is the largest between the space of the mapped rows and that of TCA's "
        "formula, solved by `scipy.linalg.eigh` with dense matrices.",
        "",
        *against_peers(arguments.peer_python, arguments.large, (1000, 2000, 4000)),
        "",
        "## As the rows become more",
        "",
        "Every mapping method of skdtl with its default settings, and with the rbf kernel and its "
        "approximations where it has them, from 250 rows in each domain on, while a fit stays "
        f"under {arguments.limit:g} s and {MAX_MEMORY / 1e9:g} GB. The exponent is the slope of "
        "the last four sizes that took more than 10 ms.",
        "",
        "![CPU time against the number of rows](mapping_cost.png)",
        "",
    ]
    curves = growth(arguments.limit)
    lines += growth_table(curves)
    (RESULTS / "mapping_speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw(curves)
    return None


if __name__ == "__main__":
    main()
