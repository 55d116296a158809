"""Lists that a service gives page by page end, whatever the service says."""

from collections.abc import Iterable, Iterator

from shared.errors import Permanent


def bounded[T](what: str, pages: Iterable[Iterable[T]], most: int) -> Iterator[T]:
    """Yield what stands on the pages.

    Args:
        what: what is being done, to begin the error's line with.
        pages: of the list; each may be a request.
        most: pages that are read.

    Raises:
        Permanent: there are more.
    """
    for number, page in enumerate(pages):
        if number == most:
            raise Permanent(f"{what}: the list does not end after {most} pages; that is more than we read")
        yield from page
