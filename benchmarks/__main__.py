"""`make bench`: what the product costs, and how that grows. Nothing is asserted of seconds: the machine has a say."""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks import processes, reading
from benchmarks.picture import picture
from benchmarks.results import Row, machine, table, write_json

_DOCS = Path(__file__).parents[1] / "docs"
_BEGIN, _END = "<!-- measured by make bench -->\n", "<!-- until here -->\n"


def main() -> None:
    """Measure, print a table, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--n", type=_numbers, default=[100, 1000, 10_000], help="environments, such as 100,1000")
    parser.add_argument("--k", type=_numbers, default=[30, 300, 3000], help="of the most, how many are affected")
    parser.add_argument("--seed", type=int, default=1, help="of the repositories")
    parser.add_argument("--no-stand", action="store_true", help="leave the whole way on the stand out")
    parser.add_argument("--json", type=Path, help="a file for the measures")
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md and its picture")
    chosen = parser.parse_args()
    if not shutil.which("renovate"):
        print("Renovate is not installed: there is no row for it", flush=True)
    rows: list[Row] = []
    try:
        for row in _rows(chosen):
            print(f"{row.what}, {row.environments:,} environments: {row.cost.said} CPU seconds", flush=True)
            rows.append(row)
    finally:  # what was measured before something failed is shown all the same
        print(f"\n{table(rows)}\n\n{machine()}\n", flush=True)
        if chosen.json:
            write_json(rows, chosen.json)
    for line in reading.measure():
        print(line, flush=True)
    if chosen.docs:
        _renew(rows)


def _rows(chosen: argparse.Namespace) -> Iterator[Row]:
    for environments in chosen.n:
        yield from processes.measure(environments, chosen.seed)
    from benchmarks import stand, turns  # large: programs that are started after this count as large, too

    for affected in chosen.k:
        yield from turns.measure(max(chosen.n), min(affected, max(chosen.n)), chosen.seed)
    if not chosen.no_stand:
        yield from stand.measure(min(1000, max(chosen.n)), min(30, max(chosen.n)), chosen.seed)


def _renew(rows: list[Row]) -> None:
    page = _DOCS / "performance.md"
    before, _, rest = page.read_text().partition(_BEGIN)
    where = machine()
    said = (
        f"{where['processors']} processors ({where['machine']}), {where['system']}, Python {where['python']}, "
        f"{where['date']}.\n\n![CPU seconds against environments and against affected environments](performance.svg)\n"
    )
    page.write_text(f"{before}{_BEGIN}\n{said}\n{table(rows)}\n\n{_END}{rest.partition(_END)[2]}")
    (_DOCS / "performance.svg").write_text(picture(rows))


def _numbers(text: str) -> list[int]:
    found = [int(one) for one in text.split(",")]
    if min(found) < 1:
        raise ValueError(text)
    return found


if __name__ == "__main__":
    main()
