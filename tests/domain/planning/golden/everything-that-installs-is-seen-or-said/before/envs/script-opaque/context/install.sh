set -e
poetry install
