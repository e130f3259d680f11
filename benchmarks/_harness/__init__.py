"""What the benchmarks share: a script is its tasks, its methods and its page."""

from .benchmark import RESULTS, Benchmark
from .fits import Draw, Failed
from .lines import Lines, key_of
from .tasks import Method, Task
