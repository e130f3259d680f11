"""What the benchmarks share: a script is its tasks, its methods and its page."""

from .benchmark import RESULTS, Benchmark
from .fits import (
    Draw,
    Failed,
    accuracy,
    balanced_accuracy,
    labelled,
    of_each_class,
    of_peer,
    on_both,
    on_source,
    on_target,
    pair,
    rmse,
    rows_of_both,
    stacked,
    unlabelled,
    with_equal_weights,
)
from .lines import Lines, key_of
from .running import memory
from .tables import NOTHING, grid, mean, mean_and_deviation, mean_and_error, percent, ratio, table
from .tasks import Method, Task
