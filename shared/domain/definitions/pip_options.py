"""The commands of pip that fetch packages, and its options that have values (pip's reference, "pip install")."""

import re

COMMANDS = {"install", "download", "wheel"}
# Options with a value of their own, of pip and `uv pip`; the word behind one that is missing here counts as a package.
WITH_VALUE = {
    "-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links", "-t", "--target", "--prefix",
    "--root", "--src", "-d", "--dest", "--destination-directory", "-w", "--wheel-dir", "-b", "--build", "--build-dir",
    "--platform", "--python-version", "--implementation", "--abi", "--no-binary", "--only-binary", "--progress-bar",
    "--cache-dir", "--upgrade-strategy", "--trusted-host", "--proxy", "--retries", "--timeout", "--default-timeout",
    "--exists-action", "--cert", "--client-cert", "--log", "--log-file", "--report", "-C", "--config-settings",
    "--config-setting", "--global-option", "--build-option", "--install-option", "--use-feature", "--use-deprecated",
    "--root-user-action", "--python", "-p", "--keyring-provider", "--index", "--default-index", "--index-strategy",
    "--resolution", "--prerelease", "--exclude-newer", "--link-mode", "--override", "--overrides", "--build-constraint",
    "--build-constraints", "--group", "--extra", "--python-platform", "--refresh-package", "--reinstall-package",
    "--upgrade-package", "-P", "--no-build-isolation-package", "--allow-insecure-host", "--color", "--directory",
    "--project", "--config-file", "--torch-backend", "--fork-strategy", "--pip-args", "--suffix",
}  # fmt: skip
REQUIREMENTS = {"-r": False, "--requirement": False, "--requirements": False,
                 "-c": True, "--constraint": True, "--constraints": True}  # fmt: skip
# `-Ur requirements.txt`
FLAGS_AND_FILE = re.compile(r"-[UqvI]+[rc]")
