"""Environments that tests write into folders."""

from pathlib import Path


def write_environment(folder: Path, name: str, requirements: str) -> None:
    """Write one environment with a build context."""
    context = folder / name / "docker-context"
    context.mkdir(parents=True)
    (folder / name / "environment.yml").write_text(f"name: {name}\nbuild:\n  path: docker-context\n")
    (context / "Dockerfile").write_text("FROM scratch\nRUN pip install -r requirements.txt\n")
    (context / "requirements.txt").write_text(requirements)
