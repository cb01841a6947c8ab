"""Archives: what they hold is read or refused, and packed again the same way every time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxws.environment import unpacking
from nginxws.environment.archive import Entry, checked, digest, entries_of, pack
from nginxws.errors import NginxwsError

NAME = "chat.tar"


def tar(*infos: tarfile.TarInfo, data: bytes = b"", form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as packed:
        for info in infos:
            info.size = len(data) if info.isreg() else 0
            packed.addfile(info, io.BytesIO(data))
    return out.getvalue()


def info(path: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(path)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as packed:
        for name, data in files:
            packed.writestr(name, data)
    return out.getvalue()


def zip_info(path: str, mode: int, system: int = 3) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(path)
    made.create_system, made.external_attr = system, mode << 16
    return made


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(NginxwsError) as caught:
        call()
    assert caught.value.hint
    assert (caught.value.file, caught.value.code) == (NAME, 1)
    return caught.value.message


PLAIN = tar(
    info("./", tarfile.DIRTYPE, mode=0o700),
    info("./bin", tarfile.DIRTYPE),
    info("./bin/run", mode=0o4755),
    info("./b//a.txt", mode=0o600),
    info("./bin/go", tarfile.SYMTYPE, "run"),
    info("copy", tarfile.LNKTYPE, "./bin/run"),
    info("empty/", tarfile.DIRTYPE),
    data=b"x",
)
HELD = (
    Entry("b/a.txt", 0o600, b"x"),
    Entry("bin/", 0o644),
    Entry("bin/go", 0o644, b"", "run"),
    Entry("bin/run", 0o755, b"x"),
    Entry("copy", 0o755, b"x"),
    Entry("empty/", 0o644),
)


@pytest.mark.parametrize("how", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_what_a_tar_holds(how: Callable[[bytes], bytes]) -> None:
    assert entries_of(how(PLAIN), NAME) == HELD


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_what_a_zip_holds(how: int) -> None:
    archive = zipped(
        (zip_info("bin/", stat.S_IFDIR | 0o755), b""),
        (zip_info("bin/run", stat.S_IFREG | 0o755), b"x"),
        (zip_info("bin/go", stat.S_IFLNK | 0o777), b"run"),
        (zip_info("dos.txt", 0o755, system=0), b"y"),
        ("bin/grün", b"z"),
        how=how,
    )
    found = {entry.path: entry for entry in entries_of(archive, NAME)}
    assert found["bin/run"] == Entry("bin/run", 0o755, b"x")
    assert found["bin/go"].link == "run"
    assert (found["dos.txt"].mode, found["bin/grün"].data) == (0, b"z")
    assert found["bin/"].is_folder


def test_a_folder_may_be_named_twice() -> None:
    """As tar itself takes it: with what was appended to an archive its folders come again."""
    twice = tar(info("d", tarfile.DIRTYPE), info("d/a"), info("./d/", tarfile.DIRTYPE))
    assert [one.path for one in entries_of(twice, NAME)] == ["d/", "d/a"]


def test_a_single_folder_at_the_top_stays() -> None:
    assert [one.path for one in entries_of(tar(info("chat-1.0/app.js")), NAME)] == ["chat-1.0/app.js"]


@pytest.mark.parametrize(
    ("infos", "message"),
    [
        ([info("/etc/passwd")], "'/etc/passwd' is absolute, has .. in it, or a control character"),
        ([info("a/../../b")], "'a/../../b' is absolute, has .."),
        ([info("..", tarfile.DIRTYPE)], "'../' is absolute, has .."),
        ([info("a\nb")], "'a\\nb' is absolute"),
        ([info("a\x1b[2J")], "'a\\x1b[2J' is absolute"),
        ([info(".")], "'.' isn't the name of a file"),
        ([info("a"), info("./a")], "'a' is there twice"),
        ([info("a"), info("a", tarfile.DIRTYPE)], "'a' is there twice"),
        ([info("a", tarfile.DIRTYPE), info("a")], "'a' is there twice"),
        ([info("a"), info("a/b")], "'a/b' stands below 'a', which isn't a folder"),
        ([info("l", tarfile.SYMTYPE, "d"), info("l/x/y")], "'l/x/y' stands below 'l'"),
        ([info("l", tarfile.SYMTYPE, "/etc/passwd")], "'l' is a link to '/etc/passwd', out of"),
        ([info("l", tarfile.SYMTYPE, "../x")], "'l' is a link to '../x', out of"),
        ([info("l", tarfile.SYMTYPE, "")], "'l' is a link to ''"),
        ([info("l", tarfile.SYMTYPE, "a\tb")], "'l' is a link to 'a\\tb'"),
        ([info("a/b/l", tarfile.SYMTYPE, "../../../x")], "'a/b/l' is a link to"),
        ([info("l", tarfile.SYMTYPE, "l")], "'l' is a link to 'l', out of the application or in a circle"),
        ([info("l", tarfile.SYMTYPE, "m/x"), info("m", tarfile.SYMTYPE, "l")], "'l' is a link to 'm/x'"),
        # As text this link stays inside; through the other one it doesn't.
        ([info("d", tarfile.SYMTYPE, "."), info("l", tarfile.SYMTYPE, "d/../x")], "'l' is a link to"),
        ([info("a/d", tarfile.SYMTYPE, "/"), info("a/l", tarfile.SYMTYPE, "d/x")], "'a/d' is a link to '/'"),
        ([info("a/l", tarfile.SYMTYPE, "d/x"), info("a/d", tarfile.SYMTYPE, "/")], "'a/l' is a link to"),
        ([info("h", tarfile.LNKTYPE, "/etc/passwd")], "'/etc/passwd' is absolute"),
        ([info("h", tarfile.LNKTYPE, "later"), info("later")], "'h' is a hard link to a file that isn't"),
        ([info("d", tarfile.DIRTYPE), info("h", tarfile.LNKTYPE, "d")], "'h' is a hard link to a file"),
        ([info("p", tarfile.FIFOTYPE)], "'p' is neither a file nor a folder nor a link"),
        ([info("p", tarfile.CHRTYPE)], "'p' is neither"),
        ([info("l/", tarfile.SYMTYPE, "x"), info("x")], "'l' is called like a folder, and isn't one"),
        ([info("d", tarfile.DIRTYPE)], "holds no files"),
        ([info("./", tarfile.DIRTYPE)], "holds no files"),
        ([], "holds no files"),
    ],
)
def test_tars_that_are_refused(infos: list[tarfile.TarInfo], message: str) -> None:
    assert refused(lambda: entries_of(tar(*infos), NAME)).startswith(message)


@pytest.mark.parametrize(
    "infos",
    [
        [info("a/l", tarfile.SYMTYPE, "../b/./c"), info("b/c")],
        [info("l", tarfile.SYMTYPE, "not/there/yet"), info("a")],
        [info("a/up", tarfile.SYMTYPE, ".."), info("l", tarfile.SYMTYPE, "a/up/a/up/x"), info("x")],
        [info("l/..m", tarfile.SYMTYPE, "...")],
    ],
)
def test_links_that_stay_inside(infos: list[tarfile.TarInfo]) -> None:
    found = entries_of(tar(*infos), NAME)
    assert {one.path: one.link for one in found} == {one.name: one.linkname or None for one in infos}


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (zipped(("../a", b"")), "'../a' is absolute"),
        (zipped(("/a", b"")), "'/a' is absolute"),
        (zipped(("a\\b", b"")), "isn't a sound archive: it has \\ in its names"),
        (zipped((zip_info("l", stat.S_IFLNK | 0o777), b"../x")), "'l' is a link to '../x'"),
        (zipped((zip_info("l", stat.S_IFLNK | 0o777), b"a\0b")), "'l' is a link to 'a\\x00b'"),
        (zipped((zip_info("p", stat.S_IFIFO | 0o777), b"")), "'p' is neither"),
        (zipped(), "holds no files"),
    ],
)
def test_zips_that_are_refused(archive: bytes, message: str) -> None:
    assert refused(lambda: entries_of(archive, NAME)).startswith(message)


def test_a_file_that_is_called_like_a_folder() -> None:
    assert refused(lambda: entries_of(tar(info("a/"), info("b"), data=b"x"), NAME)).startswith(
        "'a' is called"
    )


def test_a_zip_with_one_name_twice() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(("a", b"1"), ("a", b"2"))
    assert refused(lambda: entries_of(archive, NAME)) == "'a' is there twice"


def test_an_encrypted_zip() -> None:
    archive = bytearray(zipped(("a", b"1"), how=zipfile.ZIP_STORED))
    for at in (archive.index(b"PK\x03\x04") + 6, archive.index(b"PK\x01\x02") + 8):
        archive[at] |= 1
    assert refused(lambda: entries_of(bytes(archive), NAME)).endswith("it is encrypted")


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"hello\n" * 1000,
        b"PK\x03\x04 not really",
        b"\x1f\x8b not really",
        b"BZh not really",
        b"\xfd7zXZ\0 not really",
        gzip.compress(PLAIN)[:-9],
        lzma.compress(PLAIN)[:-20],
        PLAIN[:700],
        PLAIN[: PLAIN.index(bytes(1024))],
        PLAIN[:2000],
        PLAIN.replace(b"./b//a.txt", b"./b//a.tyt"),  # a wrong checksum in the middle
        zipped(("a", b"hello"), how=zipfile.ZIP_STORED).replace(b"hello", b"hallo"),
        zipped(("a", b"hello"))[:-30],
    ],
)
def test_what_is_no_sound_archive(archive: bytes) -> None:
    assert refused(lambda: entries_of(archive, NAME)).startswith("isn't a sound archive: ")


def test_a_cut_in_the_middle_of_members_is_seen() -> None:
    """Where a header follows and makes no sense, tarfile itself says nothing."""
    cut = tar(info("a"))[:512] + b"x" * 512
    assert refused(lambda: entries_of(cut, NAME)).endswith("cut off, or damaged in the middle")


@pytest.mark.parametrize("how", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_bombs(how: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1 << 20)
    big = tar(info("zeros"), data=bytes(1 << 20))
    assert refused(lambda: entries_of(how(big), NAME)).startswith("holds more than 1 MiB, or more than")


def test_a_zip_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1 << 20)
    big = zipped(("a", bytes(600_000)), ("b", bytes(600_000)))
    assert len(big) < 10_000
    assert refused(lambda: entries_of(big, NAME)).startswith("holds more than 1 MiB")


def test_a_sparse_file_and_hard_links_count_as_what_they_become(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1 << 20)
    links = [info(f"l{number}", tarfile.LNKTYPE, "a") for number in range(4)]
    archive = tar(info("a"), *links, data=bytes(400_000))
    assert refused(lambda: entries_of(archive, NAME)).startswith("holds more than 1 MiB")
    pax = info("s")
    pax.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "s"}
    pax.pax_headers |= {"GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1"}
    archive = tar(pax, data=b"x", form=tarfile.PAX_FORMAT)
    assert refused(lambda: entries_of(archive, NAME)).startswith("holds more than 1 MiB")


def test_the_number_of_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_ENTRIES", 3)
    infos = [info(name) for name in "abcd"]
    assert len(entries_of(tar(*infos[:3]), NAME)) == 3
    assert refused(lambda: entries_of(tar(*infos), NAME)).startswith("holds more than")
    assert refused(lambda: entries_of(zipped(*((name, b"") for name in "abcd")), NAME)).startswith("holds mo")
    assert refused(lambda: checked([Entry(name, 0o644) for name in "abcd"], NAME)).startswith("holds more")


# --- any bytes -----------------------------------------------------------------------------------

DAMAGED = [PLAIN, gzip.compress(PLAIN), zipped(("a", b"hello" * 50), ("b/c", b"")), lzma.compress(PLAIN)]
DAMAGED += [
    tar(info("é" * 120), data=b"y" * 700, form=form) for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(DAMAGED),
    st.integers(0),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4),
)
def test_damaged_archives_are_read_or_refused(
    archive: bytes, size: int, writes: list[tuple[int, int]]
) -> None:
    """Never another error, nor an entry that isn't safe."""
    data = bytearray(archive[: len(archive) - size % 3000] if size % 2 else archive)
    for at, byte in writes:
        if data:
            data[at % len(data)] = byte
    found = read_or_refused(bytes(data))
    assert found is None or checked(found, NAME) == found


def read_or_refused(archive: bytes) -> tuple[Entry, ...] | None:
    try:
        return entries_of(archive, NAME)
    except NginxwsError:
        return None


# --- packing -------------------------------------------------------------------------------------

PARTS = st.text(
    st.characters(codec="utf-8", exclude_characters="/", exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=60,
).filter(lambda part: part not in (".", "..") and len(part.encode()) <= 200)
PATHS = st.lists(PARTS | st.sampled_from("ab"), min_size=1, max_size=5).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Entry, ...]:
    """Entries that a folder can hold."""
    taken: set[str] = set()
    entries: list[Entry] = []
    for path in draw(st.lists(PATHS, min_size=1, max_size=8)):
        above = {path[:at] for at in range(len(path)) if path[at] == "/"}
        if (
            path in taken
            or above & {one.path for one in entries}
            or any(x.path.startswith(f"{path}/") for x in entries)
        ):
            continue
        taken |= {path}
        kind = draw(st.sampled_from(["file", "file", "link", "folder"]))
        mode = draw(st.sampled_from([0o644, 0o755, 0o600, 0o777, 0o4755]))
        if kind == "folder" and entries:
            entries.append(Entry(f"{path}/", mode))
        elif kind == "link" and entries:
            entries.append(Entry(path, mode, link=draw(PARTS | st.just("x" * 150))))
        else:
            entries.append(Entry(path, mode, draw(st.binary(max_size=1200))))
    return tuple(entries)


def normal(entries: tuple[Entry, ...]) -> set[tuple[str, int, bytes, str | None]]:
    """What packing keeps of entries; folders that hold something are there anyway."""
    return {
        (one.path, 0 if one.link is not None else one.mode & 0o100, one.data, one.link)
        for one in entries
        if not one.is_folder
    }


def is_sound(entries: tuple[Entry, ...]) -> bool:
    try:
        checked(entries, NAME)
    except NginxwsError:
        return False
    return True


@settings(deadline=None)
@given(trees().filter(is_sound), st.randoms(use_true_random=False))
def test_packing_is_the_same_in_any_order_and_is_read_again(
    entries: tuple[Entry, ...], chance: random.Random
) -> None:
    packed = pack(entries)
    shuffled = list(entries)
    chance.shuffle(shuffled)
    assert pack(shuffled) == packed == pack(checked(shuffled, NAME))
    found = entries_of(packed, NAME)
    assert normal(found) == normal(entries)
    assert {one.path for one in entries if one.is_folder} <= {one.path for one in found}
    assert pack(found) == packed
    assert {one.mode for one in found if not one.is_folder and one.link is None} <= {0o644, 0o755}


def test_what_stands_in_a_packed_archive() -> None:
    packed = pack([Entry("b/c", 0o700, b"x"), Entry("a", 0o600, b"y", None), Entry("b/l", 0, link="c")])
    with tarfile.open(fileobj=io.BytesIO(packed)) as read:
        infos = read.getmembers()
    assert [(one.name, one.mode, one.type) for one in infos] == [
        ("a", 0o644, tarfile.REGTYPE),
        ("b", 0o755, tarfile.DIRTYPE),
        ("b/c", 0o755, tarfile.REGTYPE),
        ("b/l", 0o777, tarfile.SYMTYPE),
    ]
    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in infos} == {(0, 0, 0, "", "")}
    assert len(packed) % 512 == 0
    assert packed.endswith(bytes(1024))


def test_a_digest_depends_on_content_only() -> None:
    one, other = Entry("a", 0o600, b"x"), Entry("a", 0o644, b"x")
    assert digest(pack([one])) == digest(pack([other]))
    assert digest(pack([one])) != digest(pack([Entry("a", 0o700, b"x")]))
    assert len(digest(b"")) == 64
    assert digest(pack([one])) == "481033cf28209c0aa53751a0de8f091a160ebe220dd722f702eb8d460bd5a05c"


def test_names_that_are_not_utf_8_stay_the_same_bytes() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    found = entries_of(pack([Entry(name, 0o644, b"x")]), NAME)
    assert os.fsencode(found[0].path) == b"caf\xe9"


ODD = (
    Entry("a b/'q\" $x;*", 0o644, b"odd"),
    Entry("-rf", 0o755, b"dash"),
    Entry("grün/" + "日本" * 20 + "/x", 0o644, b"unicode"),
    Entry("/".join(["long" * 15] * 3), 0o644, b"prefix"),
    Entry("/".join(["name" * 15] * 6), 0o600, bytes(range(256)) * 40),
    Entry("n" * 180, 0o755, b"no slash"),
    Entry("s", 0o777, link="n" * 180),
    Entry("l/l", 0o777, link="../-rf"),
    Entry("empty/folder/", 0o755),
    Entry("nothing", 0o644),
)


@pytest.mark.parametrize("command", [["tar"], ["busybox", "tar"]])
def test_other_tars_read_what_is_packed(tmp_path: Path, command: list[str]) -> None:
    old = os.umask(0o077)
    try:
        subprocess.run([*command, "-xpf", "-", "-C", tmp_path], input=pack(ODD), check=True, timeout=60)
    finally:
        os.umask(old)
    expected = {entry.path.rstrip("/") for entry in ODD}
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    folders = {
        above for path in expected for at in range(len(path)) if path[at] == "/" and (above := path[:at])
    }
    assert found == expected | folders
    for entry in ODD:
        path = tmp_path / entry.path
        if entry.link is not None:
            assert path.readlink() == Path(entry.link)
        elif not entry.is_folder:
            assert path.read_bytes() == entry.data
            assert stat.S_IMODE(path.stat().st_mode) == (0o755 if entry.mode & 0o100 else 0o644)
    assert all(stat.S_IMODE((tmp_path / one).stat().st_mode) == 0o755 for one in folders)


@pytest.mark.parametrize("options", [["--format=gnu"], ["--format=posix"], ["--format=ustar"], ["busybox"]])
def test_what_other_tars_write_is_read(tmp_path: Path, options: list[str]) -> None:
    command = ["busybox", "tar"] if options == ["busybox"] else ["tar", *options]
    tar_file, folder = tmp_path / "x.tar", tmp_path / "app"
    files = [
        entry for entry in ODD if entry.link is None and len(entry.path.encode()) < 90 and not entry.is_folder
    ]
    for entry in files:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)
        path.chmod(entry.mode)
    (folder / "twin").hardlink_to(folder / "nothing")
    subprocess.run([*command, "-cf", tar_file, "-C", folder, "."], check=True, timeout=60)
    found = entries_of(tar_file.read_bytes(), NAME)
    assert pack(found) == pack([*files, Entry("twin", 0o644)])
