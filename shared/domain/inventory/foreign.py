"""YAML of other tools: Kubernetes, Helm, Compose. It is neither an environment nor a file that may be one."""

import posixpath
import re
from collections.abc import Iterable

# Keys of the outermost map; every document of a manifest has both.
_MANIFEST = re.compile(r"^[\"']?apiVersion[\"']?[ \t]*:", re.MULTILINE)
_KIND = re.compile(r"^[\"']?kind[\"']?[ \t]*:", re.MULTILINE)
_COMPOSE = re.compile(r"^[\"']?services[\"']?[ \t]*:[ \t]*(?:#.*)?\r?$", re.MULTILINE)
# Go's templates, as Helm has them; Jinja's `{{ name }}` and `{% if %}` look otherwise.
_GO_TEMPLATE = re.compile(
    r"\{\{-?[ \t]*(?:\.(?:Values|Release|Chart|Capabilities|Files|Template)\b|"
    r"(?:if|with|range|define|include|template|end|else|toYaml|tpl)\b[^}\n]*\}\})"
)
_CHART = ("Chart.yaml", "Chart.yml")
_IN_CHART = re.compile(r"(?:templates|crds)/.*|[^/]*values[^/]*", re.IGNORECASE | re.DOTALL)


def is_foreign(text: str) -> bool:
    """Tell whether a text is a Kubernetes manifest, a Helm template or a Compose file."""
    if "apiVersion" in text and _MANIFEST.search(text) and _KIND.search(text):
        return True
    return ("{{" in text and bool(_GO_TEMPLATE.search(text))) or ("services" in text and bool(_COMPOSE.search(text)))


def chart_files(paths: Iterable[str]) -> frozenset[str]:
    """The templates and values of Helm charts, among the paths of a repository."""
    paths = list(paths)
    charts = {posixpath.dirname(path) for path in paths if path.endswith(_CHART) and posixpath.basename(path) in _CHART}
    found = set()
    for path in paths if charts else ():
        folder = path
        while folder:
            folder = posixpath.dirname(folder)
            if folder in charts and _IN_CHART.fullmatch(path[len(folder) + 1 if folder else 0 :]):
                found.add(path)
    return frozenset(found)
