"""The table of methods, made from what the estimators say about themselves.

In the documentation the directive ``.. method-table::`` inserts it; run as a script, this prints it
as Markdown for the README.
"""

from docutils import nodes
from docutils.statemachine import StringList
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import get_tags
from sphinx.util.docutils import SphinxDirective

from skdtl.deep import MMD
from skdtl.utils import all_estimators

FAMILIES = {
    "ensemble": "several of them",
    "baselines": "baseline",
    "instances": "instances (§3.1)",
    "mapping": "mapping (§3.2)",
    "network": "network (§3.3)",
    "adversarial": "adversarial (§3.4)",
    "deep": "any combination",
}
COLUMNS = ["Method", "Family", "Target labels", "Unlabelled target rows", "Predicts"]


def table():
    """Rows of cells, by family."""
    rows = []
    for name, cls in all_estimators():
        family = cls.__module__.split(".")[1]
        # The general deep estimators align nothing by default.
        tags = get_tags(cls([MMD()]) if family == "deep" else cls()).transfer_tags
        if issubclass(cls, ClassifierMixin):
            predicts = "classes"
        elif issubclass(cls, RegressorMixin):
            predicts = "numbers"
        else:
            predicts = "as its estimator"
        unlabelled = "used" if tags.unlabelled_target else "ignored"
        rows.append((family, [name, FAMILIES[family], tags.target_labels, unlabelled, predicts]))
    order = list(FAMILIES)
    return [cells for _, cells in sorted(rows, key=lambda row: order.index(row[0]))]


def as_markdown():
    """The table as it stands in the README."""
    lines = [COLUMNS, ["---"] * len(COLUMNS)]
    lines += [[f"`{name}`", *cells] for name, *cells in table()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class MethodTable(SphinxDirective):
    """``.. method-table::``."""

    def run(self):
        """Return the table as nodes."""
        lines = [".. list-table::", "   :header-rows: 1", ""]
        linked = [[f":class:`~skdtl.{name}`", *cells] for name, *cells in table()]
        for cells in [COLUMNS, *linked]:
            lines += [("   * - " if j == 0 else "     - ") + cell for j, cell in enumerate(cells)]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, "method-table"), 0, node)
        return node.children


def setup(app):
    """Register the directive."""
    app.add_directive("method-table", MethodTable)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    print(as_markdown())
