"""Archives that nobody vouches for: what is plain comes through whole, everything else is refused."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandboxes.archives import read_archive
from sandboxes.guest.session_entries import FILE
from sandboxes.guest.session_tree import Budget, Limits, Refused

LIMITS = Limits(10 * 2**20, 1000, 20)
PARTS = st.binary(min_size=1, max_size=120).filter(
    lambda part: not set(part) & set(b"/\0") and part not in (b".", b"..")
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map(b"/".join)


def unpacked(archive: Path, limits: Limits = LIMITS, ratio: float = 200.0) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for entry, data in read_archive(archive, Budget(limits), ratio):
        found[os.fsdecode(entry.name)] = b"".join(data) if entry.kind == FILE else None
    return found


def tar(path: Path, *members: tarfile.TarInfo, data: bytes = b"", mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for each in members:
            archive.addfile(each, io.BytesIO(data) if each.isreg() else None)
    return path


def member(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(NAMES, st.binary(max_size=2000), max_size=6),
    kind=st.sampled_from(["w", "w:gz", "w:bz2", "w:xz"]),
)
@example(files={b"PK\x05\x06": b""}, kind="w")  # was taken for an empty zip
def test_whatever_tarfile_packs_comes_through(
    tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, bytes], kind: str, form: int
) -> None:
    names = {name: data for name, data in files.items() if not any(other.startswith(name + b"/") for other in files)}
    path = tmp_path_factory.mktemp("tar") / "archive"
    with tarfile.open(path, kind, format=form, errors="surrogateescape") as archive:  # type: ignore[call-overload]
        for name, data in names.items():
            archive.addfile(member(os.fsdecode(name), len(data)), io.BytesIO(data))
    found = unpacked(path)
    assert {os.fsencode(name): data for name, data in found.items() if data is not None} == names


def test_git_style_and_dotted_tars_and_zips_come_through(tmp_path: Path) -> None:
    dotted = tar(
        tmp_path / "dotted.tar",
        member(".", type=tarfile.DIRTYPE),
        member("./a/", type=tarfile.DIRTYPE),
        member("./a/b", 1, mode=0o755),
        data=b"x",
    )
    assert unpacked(dotted) == {"a": None, "a/b": b"x"}
    with tarfile.open(
        tmp_path / "git.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0" * 40}
    ) as archive:
        archive.addfile(member("r/" + "n" * 200, 1), io.BytesIO(b"x"))
    assert unpacked(tmp_path / "git.tar") == {"r": None, "r/" + "n" * 200: b"x"}
    with zipfile.ZipFile(tmp_path / "plain.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("d/", "")
        zipped.writestr("d/é", "text")
    assert unpacked(tmp_path / "plain.zip") == {"d": None, "d/é": b"text"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a symbolic link"),
        (member("link", type=tarfile.LNKTYPE, linkname="other"), "a hard link"),
        (member("pipe", type=tarfile.FIFOTYPE), "a pipe"),
        (member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "a device"),
        (member("odd", type=b"Z"), "of type"),
        (member("/etc/passwd", 1), "absolute, or leaves"),
        (member("a/../../b", 1), "absolute, or leaves"),
        (member("..", 1), "absolute, or leaves"),
        (member("a//b", 1), "absolute, or leaves"),
        (member("/".join("d" * 21), 1), "deeper than 20"),
        (member("good", 1), "twice"),
        (member("good/below", 1), "twice"),
    ],
)
def test_what_is_not_plain_is_refused(tmp_path: Path, bad: tarfile.TarInfo, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        unpacked(tar(tmp_path / "bad.tar", member("good", 1), bad, data=b"x"))


def _bomb(path: Path) -> None:
    with gzip.open(path, "wb") as file:
        file.write(tarfile.TarInfo.tobuf(member("zeros", 9 * 2**20)))
        file.write(bytes(9 * 2**20))


def _zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(9 * 2**20))


def _huge_header(path: Path) -> None:
    path.write_bytes(tarfile.TarInfo.tobuf(member("x", 8 * 2**30, type=tarfile.XHDTYPE), format=tarfile.GNU_FORMAT))


def _sparse(path: Path) -> None:
    path.write_bytes(
        tarfile.TarInfo.tobuf(member("x", 512, type=tarfile.GNUTYPE_SPARSE), format=tarfile.GNU_FORMAT) + bytes(9999)
    )


def _pax_sparse(path: Path) -> None:
    tar(path, member("x", 1, pax_headers={"GNU.sparse.size": "99999999999"}), data=b"x")


def _claims_more(path: Path) -> None:
    path.write_bytes(tarfile.TarInfo.tobuf(member("x", 50 * 2**30), format=tarfile.GNU_FORMAT))


def _cut(path: Path) -> None:
    whole = tar(path, member("x", 5000), data=bytes(5000)).read_bytes()
    path.write_bytes(whole[:3000])


def _zip_link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")


def _zip_dots(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../up", "x")


def _many(path: Path) -> None:
    tar(path, *(member(f"f{number}") for number in range(1001)))


def _bad_pax(path: Path) -> None:
    head = tarfile.TarInfo.tobuf(member("x", 512, type=tarfile.XHDTYPE))
    path.write_bytes(head + b"999 path=x\n".ljust(512, b"\0"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_bomb, "more than 200 times"),
        (_zip_bomb, "more than 200 times"),
        (_huge_header, "a header of 8589934592 bytes"),
        (_sparse, "a sparse file"),
        (_pax_sparse, "a sparse file"),
        (_claims_more, "more than 10485760 bytes"),
        (_cut, "damaged"),
        (_zip_link, "a link or a device"),
        (_zip_dots, "absolute, or leaves"),
        (_many, "more than 1000 files"),
        (_bad_pax, "damaged"),
        (lambda path: path.write_bytes(b"no archive at all" * 100), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(b"PK\3\4" + bytes(600)), "damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"x" * 9999)[:-4]), "damaged"),
    ],
)
def test_bombs_and_damage_are_refused(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(tmp_path / "archive")
    with pytest.raises(Refused, match=reason):
        unpacked(tmp_path / "archive")


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(max_size=3000), at=st.integers(0, 2000))
def test_no_bytes_do_more_than_be_refused(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    path = tmp_path_factory.mktemp("noise") / "archive"
    whole = tar(path, member("a/b", 700), data=bytes(700)).read_bytes()
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        unpacked(path)
    except Refused:
        return
