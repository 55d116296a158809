"""What shell commands install."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.installs import Installs
from shared.domain.definitions.shell import Shell
from shared.domain.definitions.traced import Traced


def read(script: str) -> Installs:
    installs = Installs()
    installs.add_script(Shell(lambda _: None), Traced.at(script, 0))
    return installs


def required(script: str) -> list[str]:
    found = read(script)
    return [text.text for text in (*found.requirements, *found.named)]


def files(script: str) -> list[tuple[str, bool]]:
    return [(file.path.text, file.constraint) for file in read(script).files]


class TestPip:
    @pytest.mark.parametrize(
        "program",
        [
            "pip", "pip3", "pip3.11", "/opt/conda/bin/pip", "python -m pip", "python3 -m pip", "python3.10 -u -m pip",
            "/usr/bin/python -m pip", "uv pip", "uv --quiet pip", "python -m uv pip", "uv run pip", "pipx",
            "conda run -n base pip", "conda run --no-capture-output -p /env python -m pip", "mamba run -n x pip",
            "micromamba run pip", "sudo pip", "sudo -H pip", "PIP_NO_INDEX=1 pip", "env A=b pip", "env -i pip",
            "exec pip", "time pip", "! pip", "yes | pip", "set -e; pip", "cd /x && pip", "(pip", "{ pip",
            "if true; then pip", "for i in 1 2; do pip", "pip -q", "pip --no-cache-dir", "pip --timeout 5",
            "sudo -E env A=b uv run python3 -m pip",
        ],
    )  # fmt: skip
    def test_pip_is_known_however_it_is_called(self, program: str) -> None:
        assert required(f"{program} install our-pkg==1.0") == ["our-pkg==1.0"]
        assert files(f"{program} install -r r.txt") == [("r.txt", False)]

    @pytest.mark.parametrize("verb", ["install", "download", "wheel"])
    def test_everything_that_fetches_counts(self, verb: str) -> None:
        assert required(f"pip {verb} a b==1") == ["a", "b==1"]

    @pytest.mark.parametrize("command", ["uninstall our-pkg", "show our-pkg", "freeze", "config set a b", "", "list"])
    def test_what_installs_nothing_names_nothing(self, command: str) -> None:
        assert required(f"pip {command}") == []

    @pytest.mark.parametrize(
        ("arguments", "requirements"),
        [
            ("a b[x]==1.0", ["a", "b[x]==1.0"]),
            ("'a >= 1.0' \"b == 2\"", ["a >= 1.0", "b == 2"]),
            ("'a; python_version<\"3.9\"'", ['a; python_version<"3.9"']),
            ("a>=1.0", ["a"]),
            ("a==1.0 > /dev/null 2>&1", ["a==1.0"]),
            ("a==1.0 --upgrade --no-deps b", ["a==1.0", "b"]),
            ("-i https://u:p@host.test/simple a", ["a"]),
            ("--extra-index-url=https://host.test a", ["a"]),
            ("--target /x a -t /y b", ["a", "b"]),
            ("-e . -e git+https://host.test/x.git#egg=a b", [".", "git+https://host.test/x.git#egg=a", "b"]),
            ("https://host.test/a-1.0-py3-none-any.whl", ["https://host.test/a-1.0-py3-none-any.whl"]),
            ("*.whl /x/*.whl", ["*.whl", "/x/*.whl"]),
            ("a\\\n==1.0", ["a==1.0"]),
            ("", []),
            ("-r", []),
        ],
    )
    def test_what_is_no_option_is_a_requirement(self, arguments: str, requirements: list[str]) -> None:
        assert required(f"pip install {arguments}") == requirements

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ("-r r.txt", [("r.txt", False)]),
            ("-rr.txt", [("r.txt", False)]),
            ("-Ur r.txt", [("r.txt", False)]),
            ("-qUr r.txt", [("r.txt", False)]),
            ("--requirement r.txt", [("r.txt", False)]),
            ("--requirement=r.txt", [("r.txt", False)]),
            ("--requirements r.txt", [("r.txt", False)]),
            ("-c c.txt", [("c.txt", True)]),
            ("-cc.txt", [("c.txt", True)]),
            ("--constraint=c.txt -r r.txt", [("c.txt", True), ("r.txt", False)]),
            ("'-r' \"a b.txt\"", [("a b.txt", False)]),
            ("a -r r.txt b -r s.txt", [("r.txt", False), ("s.txt", False)]),
        ],
    )
    def test_files_are_handed_over_in_every_spelling(self, arguments: str, named: list[tuple[str, bool]]) -> None:
        assert files(f"pip install {arguments}") == named

    def test_uv_pip_sync_takes_files(self) -> None:
        assert files("uv pip sync r.txt -c c.txt") == [("r.txt", False), ("c.txt", True)]
        assert required("uv pip sync r.txt") == []

    def test_every_command_of_a_script_is_read(self) -> None:
        script = "pip install a&&pip install b||pip install c;pip install d|pip install e&\npip install f"

        assert required(script) == list("abcdef")


class TestShells:
    @pytest.mark.parametrize("shell", ["bash -c", "sh -c", "/bin/bash -lc", "bash -l -c", "bash -o pipefail -ec"])
    @pytest.mark.parametrize("quoted", ["'pip install a && pip install b'", '"pip install a && pip install b"'])
    def test_a_shell_inside_a_shell_is_read(self, shell: str, quoted: str) -> None:
        assert required(f"{shell} {quoted}") == ["a", "b"]

    @pytest.mark.parametrize(
        "command",
        ["$(a b)", "`a b`", 'bash -c "$(curl -fsSL https://host.test/x.sh)"', "sh -c '`a b`'", "$(a b) c", "x$(a b)",
         "bash -c \"$(cat 'a b')\"", "$(echo 'a $(b c)')"],
    )  # fmt: skip
    def test_what_a_command_gives_is_not_known(self, command: str) -> None:
        assert required(f"{command}\npip install behind") == ["behind"]

    def test_a_quoted_script_is_read_as_one(self) -> None:
        assert required("'pip install a && pip install b'") == ["a", "b"]

    def test_a_comment_is_no_command(self) -> None:
        assert required("# pip install a\npip install b # pip install c\n#pip install d") == ["b"]


class TestConda:
    @pytest.mark.parametrize(
        ("command", "named"),
        [
            ("conda env create -f c.yml", ["c.yml"]),
            ("conda env update --file=env/c.yaml --prune", ["env/c.yaml"]),
            ("conda env create -n x --file c.yml", ["c.yml"]),
            ("mamba env update -n base -f c.yml", ["c.yml"]),
            ("conda-env create -f c.yml", ["c.yml"]),
            ("micromamba install -y -n base -f c.yml", ["c.yml"]),
            ("micromamba create -f lock", ["lock"]),
            ("conda install --file list.txt", []),
            ("conda clean -f c.yml", []),
        ],
    )
    def test_files_of_conda_are_found(self, command: str, named: list[str]) -> None:
        found = read(command)

        assert [file.path.text for file in found.conda_files] == named
        assert found.files == []

    @pytest.mark.parametrize(
        "command",
        ["conda install our-pkg=1.0", "conda create -n x -c chan our-pkg=1.0", "mamba install -y our-pkg=1.0",
         "conda install --channel chan -y our-pkg=1.0", "sudo conda install our-pkg=1.0"],
    )  # fmt: skip
    def test_packages_of_channels_are_no_requirements(self, command: str) -> None:
        found = read(command)

        assert [word.text for word in found.channel] == ["our-pkg=1.0"]
        assert found.requirements == []


class TestOtherCommands:
    @pytest.mark.parametrize(
        "command",
        ['echo "our-pkg==1.0" >> r.txt', "printf 'our-pkg==1.0\\n'", "poetry add our-pkg==1.0", "uv add our-pkg==1.0",
         "python -c 'import our; x(\"our-pkg==1.0\")'", "uv run --with our-pkg==1.0 python x.py",
         "uv tool install our-pkg==1.0"],
    )  # fmt: skip
    def test_an_exact_pin_in_another_command_counts(self, command: str) -> None:
        assert required(command) == ["our-pkg==1.0"]

    @pytest.mark.parametrize(
        "command",
        ["apt-get install our-pkg==1.0", "npm install our-pkg==1.0", "sed -i s/our-pkg==1.0// r.txt", "ls our-pkg",
         "curl https://host.test/our-pkg==1.0", "test a = b", "[ $A == 1 ]"],
    )  # fmt: skip
    def test_what_other_installers_take_is_none_of_pips(self, command: str) -> None:
        assert required(command) == []


@pytest.mark.parametrize(
    "filler",
    ["! ", "uv run ", "conda run ", "python -m uv run ", "env ", "sudo -x ", "A=b ", "bash -c ", "pip install ", "a==",
     "a ", "a\\ ", "$(", "${a", "(", "[", "<<", "a>b>", "'a ' ", "-r ", "a.", "=="],
)  # fmt: skip
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_long_command_is_read_without_delay_and_without_recursion(filler: str, quote: str) -> None:
    """What nests or backtracks takes hours at this length, or ends the process."""
    read(f"{quote}{filler * 20_000}")


_PIECES = (
    "pip", "install", "-r", "a==1", " ", " ", "'", '"', "\\", "\n", "$(", "${", "$V", "}", ")", "(", "#", "<", "<<E",
    "&&", ";", "bash", "-c", "uv", "run", "conda", "python", "-m", "`", "=", "env", "--file=x", "-", "\0", "é",
)  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES)).map("".join))
def test_whatever_is_found_stands_in_the_script(script: str) -> None:
    found = read(script)

    for text in (*found.requirements, *found.channel, *(file.path for file in found.handed)):
        for character, place in zip(text.text, text.places, strict=True):
            assert place < 0 or script[place] == character


def handed(script: str) -> list[tuple[str, str, str]]:
    """The paths that a script installs from, what is made of them, and the folders that they are seen from."""
    return [(file.path.text, file.takes.name, file.folder) for file in read(script).handed]


class TestPathsAndTools:
    @pytest.mark.parametrize(
        ("script", "found"),
        [
            ("pip install .", [(".", "PROJECT", "")]),
            ("pip install -e './pkg[a,b]'", [("./pkg", "PROJECT", "")]),
            ("pip install --no-deps .", []),
            ("uv pip install -r pyproject.toml", [(".", "PROJECT", "")]),
            ("python setup.py develop", [(".", "PROJECT", "")]),
            ("python x/setup.py --version", []),
            ("cd /x && cd y && pip install -r r.txt", [("r.txt", "LIST", "/x/y")]),
            ("(cd /x; make) && pip install -r r.txt", [("r.txt", "LIST", "")]),
            ("( (cd /x); cd y; pip install -r r.txt)", [("r.txt", "LIST", "y")]),
            ("case $x in a) cd b;; esac; pip install -r r.txt", [("r.txt", "LIST", "b")]),
            ("poetry install", [("poetry.lock", "LOCK", "")]),
            ("python -m poetry export", [("poetry.lock", "LOCK", "")]),
            ("pipenv sync", [("Pipfile.lock", "LOCK", "")]),
            ("uv --quiet sync", [("uv.lock", "LOCK", "")]),
            ("pdm install", [("pdm.lock", "LOCK", "")]),
            ("poetry config a b; pipenv --version; uv venv", []),
            ("pip install /w/*.whl", [("/w/*.whl", "WHEELS", "")]),
            ("for f in a.txt b.txt; do pip install -r x/$f; done", [("x/a.txt", "LIST", ""), ("x/b.txt", "LIST", "")]),
            ("cat a b | pip install -r /dev/stdin", [("a", "LIST", ""), ("b", "LIST", "")]),
            ("cat a || pip install -r /dev/stdin", []),
            ("xargs -n 1 pip install < a", [("a", "LIST", "")]),
            ("ls a | xargs pip install -r", [("a", "LIST", "")]),
            ("pip install $(cat a)", [("a", "LIST", "")]),
            ("bash -x setup.sh a", [("setup.sh", "SCRIPT", "")]),
            (". ./a.sh; source b; ./c.sh", [("./a.sh", "SCRIPT", ""), ("b", "SCRIPT", ""), ("./c.sh", "SCRIPT", "")]),
            ("python -u a.py", [("a.py", "SCRIPT", "")]),
            ("python -m a.py; python -c a.py", []),
            ("conda env create", [("environment.yml", "CONDA", "")]),
            ("conda env list; conda create -n x; conda activate", []),
        ],
    )
    def test_a_path_is_taken_for_what_the_command_makes_of_it(
        self, script: str, found: list[tuple[str, str, str]]
    ) -> None:
        assert handed(script) == found

    @pytest.mark.parametrize(
        "command",
        [
            "pip install git+https://host.test/x", "pip install $WHAT", "pip install $(grep a b)", "xargs pip install",
            "find . -exec pip install -r {} \\;", "pip install x.zip", "poetry add", "pixi install",
            "cat a | xargs pip install -r", "pip install -r -",
            "for a in $b; do for b in $a; do pip install $a; done; done",
        ],
    )  # fmt: skip
    def test_what_cannot_be_told_is_opaque(self, command: str) -> None:
        assert len(read(command).opaque) == 1

    @pytest.mark.parametrize(
        "command",
        [
            "apt-get install -y git", "pip install -U pip", "pip install numpy==1.0", "pip install 'a @ git+https://h/x'",
            "pip install https://h/a-1.0-py3-none-any.whl", "pip install a==$V", "conda install numpy", "make install",
            "curl -sSL https://h/install.sh | sh", "pip uninstall $WHAT", "echo pip install .",
        ],
    )  # fmt: skip
    def test_what_names_its_packages_or_installs_none_is_not(self, command: str) -> None:
        assert read(command).opaque == []

    @pytest.mark.parametrize(
        ("command", "target"),
        [
            ("git clone -b main --depth 1 https://h/x.git", "x"),
            ("git clone git@h:o/x.git /src", "/src"),
            ("cd a && git -C b clone https://h/x", "a/b/x"),
            ("git clone https://h/x .", "."),
            ("curl -sSLo r.txt https://h/r", "r.txt"),
            ("curl -o r.txt https://h/r", "r.txt"),
            ("curl -O https://h/r.txt?x=1", "r.txt"),
            ("wget -q https://h/r.txt", "r.txt"),
            ("wget -P /tmp https://h/r.txt", "/tmp/r.txt"),
            ("wget -O r.txt https://h/x", "r.txt"),
        ],
    )
    def test_what_is_fetched_is_told(self, command: str, target: str) -> None:
        assert [fetch.target for fetch in read(command).fetches] == [target]

    @pytest.mark.parametrize("command", ["git pull", "git submodule update", "curl https://h/x", "wget --version"])
    def test_what_brings_no_file_is_none(self, command: str) -> None:
        assert read(command).fetches == []
