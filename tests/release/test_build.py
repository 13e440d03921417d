"""Where no Python for older systems can be built, the binary is made of this one, and that is said."""

import platform
import sys
from pathlib import Path

import pytest

RELEASE = Path(__file__).parents[2] / "release"


@pytest.fixture
def build(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(RELEASE)
    monkeypatch.setenv("GLIBC", "2.28")
    import build

    monkeypatch.setattr(build, "MADE", tmp_path)
    monkeypatch.setattr(build, "HOST", tmp_path / "host")
    yield build
    for name in ("build", "python"):
        sys.modules.pop(name)


def test_without_the_compiler_the_binary_is_made_of_this_python(build, capsys):
    assert build._older() == Path(sys.executable)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("no Python for glibc 2.28 (") and said.endswith(f"made of {sys.executable}")
    assert not build.os.environ["GLIBC"], "what an older system lacks must not be left out of it"


def test_what_was_said_while_building_is_named(build, capsys):
    (build.MADE / "python").mkdir()
    (build.MADE / "python" / "log").touch()
    build._older()
    assert f"; see {build.MADE / 'python' / 'log'})" in capsys.readouterr().out


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="refused before tools are looked for"
)
def test_a_tool_that_is_missing_is_named_before_anything_is_fetched(build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OSError, match=r"^apt-get is not installed$"):
        build.python.build(tmp_path / "python", tmp_path / "zig")
    assert list(tmp_path.iterdir()) == []
