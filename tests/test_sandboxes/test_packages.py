"""Packages as one layer over the base image: built from wheels that the tests make, used in real containers."""

import base64
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import docker
import pytest
from sandbox_jobs import says

from sandboxes import install_packages, open_pool
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.docker import packages
from sandboxes.docker.packages import content_digest, unpack_packages, with_packages, write_layer
from schemas.errors import ImageUnavailable, UsageError

FILES = {
    "tinypack/__init__.py": "from tinypack.inner import twice\n",
    "tinypack/inner.py": "from . import data\n\ndef twice(x):\n    return data.TWO * x\n",
    "tinypack/data.py": "TWO = 2\n",
    "tinypack/template.py": "{{ not python }}\n",
    "tinypack.pth": "import os; os.environ['EVIL'] = '1'\n",
    "sitecustomize.py": "import os; os.environ['EVIL'] = '2'\n",
}
NEEDED = {"tinyneeds.py": "HERE = True\n"}


def wheel(folder: Path, name: str, version: str, files: dict[str, str], requires: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {requires}\n" if requires else ""
    )
    whole = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        f"{len(text.encode())}\n"
        for path, text in whole.items()
    )
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**whole, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which the user's pip configuration names as the only place to look."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    version = f"1.0.{int.from_bytes(os.urandom(4), 'big')}"  # of this test alone: an image is found by it
    wheel(folder, "tinypack", version, FILES, "tinyneeds")
    wheel(folder, "tinyneeds", "1.0", NEEDED)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def requirement(folder: Path) -> str:
    return next(f"tinypack=={path.name.split('-')[1]}" for path in folder.iterdir() if path.name.startswith("tinypack"))


@pytest.mark.docker
def test_a_root_file_system_takes_the_same_packages_with_the_same_digest(
    wheels: Path,
    tmp_path: Path,
    spec: PoolSpec,
    docker_image: ImageRef,
    bubblewrap_image: ImageRef,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = requirement(wheels)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image, folder = install_packages("bubblewrap", bubblewrap_image, [wanted], tmp_path)
    layer = with_packages(docker_image, [wanted])
    client = docker.APIClient()
    client.remove_image(layer.reference, force=True)
    client.close()
    assert layer.digest == image.digest
    assert folder.joinpath("tinypack", "data.py").read_text() == "TWO = 2\n"
    with open_pool("bubblewrap", spec, image) as pool:
        assert says(pool, "(tinypack.twice(4), os.environ.get('EVIL'))", "import os, tinypack") == "(8, None)"
        assert says(pool, "bool(open(tinypack.inner.__cached__))", "import tinypack") == "True"
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    assert install_packages("bubblewrap", bubblewrap_image, [wanted], tmp_path / "again")[0] == image


@pytest.mark.docker
def test_a_layer_is_made_once_used_in_a_sandbox_and_read_back(
    wheels: Path, tmp_path: Path, spec: PoolSpec, docker_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = docker.APIClient()
    wanted = requirement(wheels)
    image, folder = install_packages("docker", docker_image, [wanted], tmp_path)
    try:
        assert image.digest != docker_image.digest
        with open_pool("docker", spec, image) as pool:
            assert says(pool, "tinypack.twice(4)", "import tinypack") == "8"
            assert says(pool, "tinyneeds.HERE", "import tinyneeds") == "True"
            assert says(pool, "tinypack.inner.__cached__ and open(tinypack.inner.__cached__)", "import tinypack") != ""
            # What the server would execute at its start is left out, and so is what names this machine.
            assert says(pool, "os.environ.get('EVIL')", "import os") == "None"
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix != ".pyc"}
        assert {"tinypack/inner.py", "tinyneeds.py"} <= names
        assert not {"tinypack.pth", "sitecustomize.py", "bin"} & names
        record = next(folder.glob("tinypack-*.dist-info/RECORD")).read_text()
        assert "tinypack/inner.py" in record
        assert "bin/" not in record
        # Found again, without pip and without a network.
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
        assert with_packages(docker_image, [wanted]) == image
        assert unpack_packages(image, tmp_path / "again").joinpath("tinypack", "data.py").read_text() == "TWO = 2\n"
    finally:
        client.remove_image(image.reference, force=True)
        client.close()


@pytest.mark.docker
def test_the_digest_is_of_the_content_and_of_the_base(wheels: Path, tmp_path: Path, docker_image: ImageRef) -> None:
    client = docker.APIClient()
    first = with_packages(docker_image, [requirement(wheels)])
    client.remove_image(first.reference, force=True)
    second = with_packages(docker_image, [requirement(wheels)])
    client.remove_image(second.reference, force=True)
    client.close()
    assert second == first


@pytest.mark.docker
def test_a_failed_build_leaves_nothing(wheels: Path, docker_image: ImageRef, monkeypatch: pytest.MonkeyPatch) -> None:
    client = docker.APIClient()
    before = {one["Id"] for one in client.images(all=True)}, {one["Id"] for one in client.containers(all=True)}
    with pytest.raises(ImageUnavailable, match=r"tinypack==0\.0\.1 cannot be installed from wheels"):
        with_packages(docker_image, ["tinypack==0.0.1"])
    monkeypatch.setattr(packages, "REPOSITORY", "Not/A/Valid:Name")  # the engine refuses the commit
    with pytest.raises(Exception, match=r"(?i)repository|reference|image"):
        with_packages(docker_image, [requirement(wheels)])
    mine = {one["Id"] for one in client.containers(all=True, filters={"label": "tracegen.role=packages"})}
    client.close()
    assert not mine - before[1]


@pytest.mark.parametrize("spelling", ["tinypack", "tinypack>=1", "-r file", "tinypack==1 --pre", "a @ file:///x", ""])
def test_only_exact_versions_are_installed(spelling: str) -> None:
    image = ImageRef("x", "x", "3.11.7")
    with pytest.raises(UsageError, match="NAME==VERSION"):
        with_packages(image, [spelling])


def test_the_process_backend_refuses(tmp_path: Path, process_image: ImageRef) -> None:
    with pytest.raises(UsageError, match="module:NAME"):
        install_packages("process", process_image, ["tinypack==1"], tmp_path)


def test_the_layer_depends_on_nothing_but_the_files(tmp_path: Path) -> None:
    tars = []
    for folder in ("a", "b"):
        tree = tmp_path / folder
        for name, text in {**FILES, "bin/tinypack": f"#!{folder}\n", "m-1.dist-info/RECORD": "../../bin/x,,\n"}.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        output = io.BytesIO()
        write_layer(tree, output)
        tars.append(output.getvalue())
    assert tars[0] == tars[1]
    assert content_digest(tmp_path / "a") == content_digest(tmp_path / "b")
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as archive:
        assert "bin/tinypack" not in archive.getnames()
    (tmp_path / "b" / "tinypack" / "data.py").write_text("TWO = 3\n")
    assert content_digest(tmp_path / "a") != content_digest(tmp_path / "b")


def archive_of(folder: Path, *names: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarFile:
    path = folder / "layer.tar"
    with tarfile.open(path, "w") as made:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            made.addfile(entry, io.BytesIO(b""))
    return tarfile.open(path)


@pytest.mark.parametrize("filters", [True, False])
def test_files_are_unpacked_with_and_without_the_filters_of_newer_pythons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: bool
) -> None:
    if not filters:  # as in Python 3.11.2, which came before them
        monkeypatch.delattr(tarfile, "data_filter")
    with archive_of(tmp_path, "site/one.py", "site/inner/two.py") as archive:
        packages.unpack(archive, tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.py")}
    assert found == {"site/one.py", "site/inner/two.py"}


@pytest.mark.parametrize(
    ("name", "kind"), [("../out.py", tarfile.REGTYPE), ("/out.py", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)]
)
def test_names_that_lead_out_and_links_are_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    with archive_of(tmp_path, name, kind=kind) as archive, pytest.raises(ImageUnavailable, match="no plain file"):
        packages.unpack(archive, tmp_path / "out")
