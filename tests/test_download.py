"""Downloads from a server on this machine: complete, broken off and resumed, damaged, changed, missing."""

from __future__ import annotations

import hashlib
import json
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from cliphba.download import openneuro, transfer
from cliphba.download.archive import ArchiveError, unpack
from cliphba.download.entries import obtain
from cliphba.download.transfer import DownloadError, Source, checksum, fetch
from cliphba.sources import BIDSRecordings, Download, OpenNeuro
from tests.encrypted import write_encrypted
from tests.served import Server, serving

# three blocks and a bit, no two alike
CONTENT = hashlib.shake_128(b"recording").digest(3 * transfer.CHUNK + 12345)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
DAMAGED = CONTENT[:1000] + b"?" + CONTENT[1001:]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def leftovers(path: Path) -> list[str]:
    """Names of all files in a file's folder but itself."""
    return sorted(file.name for file in path.parent.iterdir() if file != path)


def test_file_arrives_whole_and_alone(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "new/folder/recording.bin"
    fetch(Source(server.put("a.bin", CONTENT), SHA256, len(CONTENT)), path)
    assert path.read_bytes() == CONTENT
    assert leftovers(path) == []


def test_what_is_there_and_right_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    source = Source(server.put("a.bin", CONTENT), SHA256)
    for _ in range(2):
        fetch(source, tmp_path / "a.bin")
    assert len(server.files["/a.bin"].asked) == 1


def test_broken_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    stop = transfer.CHUNK + 7
    url = server.put("a.bin", CONTENT, breaks=[stop, 100])
    fetch(Source(url, SHA256), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    asked = server.files["/a.bin"].asked
    assert asked[0] is None
    assert len(asked) == 3
    # what arrived of a block that broke off is kept or not, but nothing is asked for from the start
    starts = [int(str(text).removeprefix("bytes=").rstrip("-")) for text in asked[1:]]
    assert transfer.CHUNK <= starts[0] <= stop
    assert starts[1] >= starts[0]


def test_killed_download_is_resumed_by_the_next(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    source = Source(server.put("a.bin", CONTENT, breaks=[2 * transfer.CHUNK]), SHA256)
    with pytest.raises(DownloadError, match="broke off"):
        fetch(source, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    fetch(source, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.files["/a.bin"].asked == [None, f"bytes={2 * transfer.CHUNK}-"]


def test_file_that_changed_meanwhile_is_not_spliced(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    url = server.put("a.bin", DAMAGED, breaks=[2 * transfer.CHUNK])
    with pytest.raises(DownloadError):
        fetch(Source(url), tmp_path / "a.bin")
    server.put("a.bin", CONTENT, tag='"two"')
    fetch(Source(url), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_name_of_the_version_all_is_fetched_again(server: Server, tmp_path: Path, tag: str | None) -> None:
    url = server.put("a.bin", CONTENT, tag=tag, breaks=[2 * transfer.CHUNK])
    fetch(Source(url, SHA256), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.files["/a.bin"].asked == [None, None]


def test_part_that_is_complete_already_is_taken(server: Server, tmp_path: Path) -> None:
    url = server.put("a.bin", CONTENT)
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    (tmp_path / "a.bin.part.json").write_text(json.dumps({"url": url, "version": '"one"'}))
    fetch(Source(url, SHA256), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.files["/a.bin"].asked == [f"bytes={len(CONTENT)}-"]


def test_part_of_something_else_is_thrown_away(server: Server, tmp_path: Path) -> None:
    url = server.put("a.bin", CONTENT)
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    (tmp_path / "a.bin.part.json").write_text(json.dumps({"url": url, "version": '"one"'}))
    fetch(Source(url, SHA256), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_file_that_changes_all_the_time_is_given_up(server: Server, tmp_path: Path) -> None:
    """Each attempt brings something, but none goes on where the last one stopped."""
    url = server.put("a.bin", CONTENT, tag=None, breaks=[2 * transfer.CHUNK, transfer.CHUNK] * transfer.ATTEMPTS)
    with pytest.raises(DownloadError, match="broke off"):
        fetch(Source(url, SHA256), tmp_path / "a.bin")
    assert transfer.ATTEMPTS <= len(server.files["/a.bin"].asked) <= transfer.ATTEMPTS + 1


def test_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    url = server.put("a.bin", CONTENT, statuses=[503, 429])
    fetch(Source(url, SHA256), tmp_path / "a.bin")
    assert len(server.files["/a.bin"].asked) == 3


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "git"])
def test_damaged_file_is_refused_and_not_kept(server: Server, tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "right").write_bytes(CONTENT)
    published = checksum(tmp_path / "right", algorithm)
    url = server.put("a.bin", DAMAGED)
    with pytest.raises(DownloadError) as caught:
        fetch(Source(url, published, by_hand="ask the authors"), tmp_path / "a.bin")
    for told in (str(tmp_path / "a.bin"), url, "damaged or another file", published, "ask the authors"):
        assert told in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["right"]


def test_truncated_file_is_refused(server: Server, tmp_path: Path) -> None:
    url = server.put("a.bin", CONTENT[:-1])
    with pytest.raises(DownloadError, match=f"{len(CONTENT) - 1} bytes arrived instead of {len(CONTENT)}"):
        fetch(Source(url, size=len(CONTENT)), tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_first_download_is_the_measure_of_later_ones(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    source = Source(server.put("a.bin", CONTENT))
    fetch(source, path)
    # the format of sha256sum
    assert (tmp_path / "a.bin.sha256").read_text() == f"{SHA256.removeprefix('sha256:')}  a.bin\n"
    path.unlink()
    server.put("a.bin", DAMAGED)
    with pytest.raises(DownloadError, match=r"as first downloaded \(to take a new version, remove .*a\.bin\.sha256"):
        fetch(source, path)
    assert not path.exists()
    # what lies there damaged is fetched again
    path.write_bytes(DAMAGED)
    server.put("a.bin", CONTENT)
    fetch(source, path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "told"), [(404, "has no such file"), (403, "refuses it"), (401, "password")])
def test_missing_file_is_told_at_once(server: Server, tmp_path: Path, status: int, told: str) -> None:
    url = server.put("a.bin", CONTENT, statuses=[status, status])
    with pytest.raises(DownloadError, match=told) as caught:
        fetch(Source(url), tmp_path / "a.bin")
    assert url in str(caught.value)
    assert f"put it there: {tmp_path / 'a.bin'}" in str(caught.value)
    assert len(server.files["/a.bin"].asked) == 1


def test_no_network_is_told(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.bin"
        with pytest.raises(DownloadError, match="no connection") as caught:
            fetch(Source(url, by_hand="ask the authors"), tmp_path / "a.bin")
    assert url in str(caught.value)
    assert "ask the authors" in str(caught.value)


def test_hash_of_git_is_that_of_git(tmp_path: Path) -> None:
    """The well-known hash of the empty file, and one by git's own rule."""
    (tmp_path / "empty").touch()
    assert checksum(tmp_path / "empty", "git") == "git:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    (tmp_path / "hello").write_text("hello\n")
    assert checksum(tmp_path / "hello", "git") == "git:ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name in ("images/bee/bee_01b.jpg", "images/bee/bee_02s.jpg", "images/owl/owl_01b.jpg", "readme.txt"):
            made.writestr(name, name)
    return path


def test_chosen_files_are_unpacked(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "old").touch()
    assert unpack(archive, folder, ["*_01b.jpg"]) == 2
    assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*.*")) == [
        "images/bee/bee_01b.jpg",
        "images/owl/owl_01b.jpg",
    ]
    assert not (folder / "old").exists()


def test_members_that_are_not_there_are_told(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"holds no \*\.png, but images/bee/bee_01b\.jpg"):
        unpack(archive, tmp_path / "images", ["*.png"])
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "images/../../outside.txt"])
def test_archive_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as made:
        made.writestr("good.txt", "good")
        made.writestr(name, "bad")
    with pytest.raises(ArchiveError, match="outside"):
        unpack(tmp_path / "bad.zip", tmp_path / "inner/folder", ["*"])
    assert not list(tmp_path.rglob("outside.txt")) + list(tmp_path.rglob("good.txt"))


def test_damaged_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(ArchiveError, match="damaged or no zip archive"):
        unpack(archive, tmp_path / "images", ["*"])
    # a byte in the middle of a file
    position = content.index(b"bee_01b.jpgimages") + len("bee_01b.jpg")
    archive.write_bytes(content[:position] + b"?" + content[position + 1 :])
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(archive, tmp_path / "images", ["*"])
    assert not (tmp_path / "images").exists()


PASSWORD = "open sesame"
IMAGES = {"object_images/bee/bee_01b.jpg": b"a bee", "object_images/owl/owl_01b.jpg": b"an owl"}


@pytest.fixture
def encrypted(tmp_path: Path) -> bytes:
    write_encrypted(tmp_path / "encrypted.zip", IMAGES, PASSWORD)
    return (tmp_path / "encrypted.zip").read_bytes()


def entry(server: Server, tmp_path: Path, content: bytes) -> Download:
    return Download(
        url=server.put("images.zip", content),
        to=str(tmp_path / "data/images"),
        members=["*_01b.jpg"],
        password_variable="IMAGES_PASSWORD",
        by_hand="The password stands in password_images.txt beside it.",
    )


def test_archive_is_opened_by_the_users_password(
    server: Server, tmp_path: Path, encrypted: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGES_PASSWORD", PASSWORD)
    obtain(entry(server, tmp_path, encrypted))
    for name, content in IMAGES.items():
        assert (tmp_path / "data/images" / name).read_bytes() == content
    # kept nowhere
    kept = [file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file()]
    assert not any(PASSWORD.encode() in content for content in kept)


def test_password_is_asked_for_before_anything_is_downloaded(
    server: Server, tmp_path: Path, encrypted: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGES_PASSWORD", raising=False)
    with pytest.raises(DownloadError) as caught:
        obtain(entry(server, tmp_path, encrypted))
    for told in (
        "environment variable IMAGES_PASSWORD",
        "password_images.txt",
        f"{tmp_path}/data/images",
        server.address,
    ):
        assert told in str(caught.value)
    assert server.files["/images.zip"].asked == []


def test_wrong_password_is_told(
    server: Server, tmp_path: Path, encrypted: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGES_PASSWORD", "shazam")
    images = entry(server, tmp_path, encrypted)
    with pytest.raises(ArchiveError, match="is not opened by this password"):
        obtain(images)
    assert not (tmp_path / "data/images").exists()
    # the archive itself need not come again
    monkeypatch.setenv("IMAGES_PASSWORD", PASSWORD)
    obtain(images)
    assert len(server.files["/images.zip"].asked) == 1


def test_file_without_address_is_put_there_by_hand(tmp_path: Path) -> None:
    by_hand = Download(to=str(tmp_path / "rdms.npy"), by_hand="Ask the authors for rdms.npy.")
    with pytest.raises(DownloadError, match=r"is not there.*Ask the authors"):
        obtain(by_hand)
    (tmp_path / "rdms.npy").touch()
    obtain(by_hand)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"to": "a"}, "by_hand is missing"),
        ({"to": "a", "url": "ftp://b"}, "should match pattern"),
        ({"to": "a", "url": "http://b", "checksum": "abc"}, "should match pattern"),
        ({"to": "a", "url": "http://b", "password_variable": "X"}, "members is missing"),
    ],
)
def test_entry_that_cannot_be_used_is_refused(settings: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Download.model_validate(settings)


DATASET = {
    "dataset_description.json": b'{"Name": "pictures"}',
    "participants.tsv": b"participant_id\nsub-P1\nsub-P2\n",
    ".bidsignore": b"*",
    "sub-P1/ses-01/sub-P1_ses-01_scans.tsv": b"filename\n",
    "sub-P1/ses-01/meg/sub-P1_ses-01_task-main_run-01_events.tsv": b"onset\tduration\n",
    "sub-P1/ses-01/meg/sub-P1_ses-01_task-main_run-01_meg.ds/run.meg4": CONTENT,
    "sub-P1/ses-01/meg/sub-P1_ses-01_task-main_run-01_meg.ds/run.res4": b"channels",
    "sub-P1/ses-01/meg/sub-P1_ses-01_task-main_run-01_meg.ds/.DS_Store": b"rubbish",
    "sub-P1/ses-02/meg/sub-P1_ses-02_task-main_run-01_meg.ds/run.meg4": b"another session",
    "sub-P2/ses-01/meg/sub-P2_ses-01_task-main_run-01_meg.ds/run.meg4": b"another person",
    "derivatives/preprocessed/preprocessed_P1-epo.fif": b"first part",
    "derivatives/preprocessed/preprocessed_P1-epo-1.fif": b"second part",
    "derivatives/preprocessed/preprocessed_P2-epo.fif": b"another person",
}
SESSION = "sub-P1/ses-01/"
HIDDEN = SESSION + "meg/sub-P1_ses-01_task-main_run-01_meg.ds/.DS_Store"


@pytest.fixture
def version(server: Server) -> openneuro.Version:
    return openneuro.Version(server.publish("ds000001", "1.0.0", DATASET), "ds000001", "1.0.0")


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["*"], ["dataset_description.json", "participants.tsv"]),
        (["sub-P1/ses-01/**"], [path for path in DATASET if path.startswith(SESSION) and path != HIDDEN]),
        (["sub-P1/ses-*/meg/*/*.meg4"], [path for path in DATASET if path.startswith("sub-P1") and "meg4" in path]),
        (
            ["derivatives/preprocessed/preprocessed_P1-epo*.fif"],
            [f"derivatives/preprocessed/preprocessed_P1-epo{part}.fif" for part in ("", "-1")],
        ),
    ],
)
def test_files_are_listed_by_pattern(version: openneuro.Version, patterns: list[str], wanted: list[str]) -> None:
    assert {file.path for file in openneuro.list_files(version, patterns)} == set(wanted)


def test_record_says_what_was_fetched(version: openneuro.Version, tmp_path: Path) -> None:
    record = openneuro.fetch_files(version, ["participants.tsv", "sub-P1/ses-01/**"], tmp_path)
    assert (record["dataset"], record["version"]) == ("ds000001", "1.0.0")
    for file in record["files"]:
        path = tmp_path / file["path"]
        assert path.read_bytes() == DATASET[file["path"]]
        assert file["size"] == path.stat().st_size
        assert checksum(path, file["checksum"].partition(":")[0]) == file["checksum"]
    assert {file["checksum"].partition(":")[0] for file in record["files"]} == {"git", "sha256"}
    assert not [file for file in tmp_path.rglob("*") if file.suffix in (".part", ".sha256")]


def test_new_version_takes_only_what_is_new(server: Server, version: openneuro.Version, tmp_path: Path) -> None:
    openneuro.fetch_files(version, ["*"], tmp_path)
    newer = {**DATASET, "participants.tsv": b"participant_id\nsub-P1\n"}
    server.publish("ds000001", "2.0.0", newer)
    openneuro.fetch_files(openneuro.Version(version.server, "ds000001", "2.0.0"), ["*"], tmp_path)
    assert (tmp_path / "participants.tsv").read_bytes() == newer["participants.tsv"]
    asked = {path: len(served.asked) for path, served in server.files.items() if "versionId=2.0.0" in path}
    assert asked["/bucket/ds000001/participants.tsv?versionId=2.0.0"] == 1
    assert asked["/bucket/ds000001/dataset_description.json?versionId=2.0.0"] == 0


def test_damaged_recording_is_refused(server: Server, version: openneuro.Version, tmp_path: Path) -> None:
    path = "sub-P1/ses-01/meg/sub-P1_ses-01_task-main_run-01_meg.ds/run.meg4"
    server.put(f"bucket/ds000001/{path}?versionId=1.0.0", DAMAGED)
    with pytest.raises(DownloadError, match=r"damaged or another file.*openneuro\.org/datasets/ds000001"):
        openneuro.fetch_files(version, ["sub-P1/ses-01/**"], tmp_path)
    assert not (tmp_path / path).exists()


def test_what_openneuro_has_not_is_told(version: openneuro.Version) -> None:
    with pytest.raises(DownloadError, match=r"there is no file sub-P9/\*\*"):
        openneuro.list_files(version, ["*", "sub-P9/**"])
    with pytest.raises(DownloadError, match=r"version 9\.0\.0: .*not found.*openneuro\.org/datasets/ds000001"):
        openneuro.list_files(openneuro.Version(version.server, "ds000001", "9.0.0"), ["*"])


def test_interface_in_trouble_is_asked_again(server: Server, version: openneuro.Version) -> None:
    server.troubles = [b"<html>busy</html>", b'{"errors": [{"message": "504: Gateway Timeout"}], "data": null}']
    assert len(openneuro.list_files(version, ["*"])) == 2
    server.troubles = [b"<html>moved</html>"] * transfer.ATTEMPTS
    with pytest.raises(DownloadError, match=r"makes no sense.*openneuro\.org/datasets/ds000001"):
        openneuro.list_files(version, ["*"])


def test_server_that_leads_outside_is_not_trusted(server: Server, tmp_path: Path) -> None:
    named = openneuro.Version(server.publish("ds000002", "1.0.0", {"../outside.json": b"{}"}), "ds000002", "1.0.0")
    with pytest.raises(DownloadError, match="outside the folder"):
        openneuro.fetch_files(named, ["*", "../*"], tmp_path / "folder")


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("SHA256E-s12--" + "ab" * 32 + ".meg4", "sha256:" + "ab" * 32),
        ("MD5E-s12--" + "cd" * 16 + ".nii.gz", "md5:" + "cd" * 16),
        ("SHA256-s0--" + "ef" * 32, "sha256:" + "ef" * 32),
        ("0123456789" * 4, "git:" + "0123456789" * 4),
        ("URL--http&c%%example.org", None),
    ],
)
def test_keys_hold_checksums(key: str, known: str | None) -> None:
    assert openneuro.checksum_of(key) == known


def test_patterns_name_people_and_sessions_without_prefix() -> None:
    settings = OpenNeuro(dataset="ds000001", version="1.0.0", to="data")
    assert settings.shared_files == ["*"]
    assert settings.files_of("sub-P1", "ses-01") == ["sub-P1/ses-01/**"]
    assert settings.by_session
    whole = settings.model_copy(update={"files": ["preprocessed_{participant}-epo*.fif"]})
    assert (whole.shared_files, whole.files_of("sub-P1", None)) == ([], ["preprocessed_P1-epo*.fif"])
    assert not whole.by_session


def test_no_two_sessions_fetch_the_same_file() -> None:
    files = ["sub-{participant}/*.tsv", "sub-{participant}/ses-{session}/**"]
    with pytest.raises(ValidationError, match=r"files: .* all of them would fetch sub-\{participant\}/\*\.tsv"):
        OpenNeuro(dataset="ds000001", version="1.0.0", to="data", files=files)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"to": "elsewhere"}, "openneuro.to: must be the root, data"), ({}, "openneuro.files: there are no sessions")],
)
def test_data_set_in_bids_is_downloaded_to_its_root(changes: dict[str, str], told: str) -> None:
    source = {"dataset": "ds000001", "version": "1.0.0", "to": "data", **changes}
    with pytest.raises(ValidationError, match=told):
        BIDSRecordings.model_validate({"kind": "bids", "root": "data", "task": "main", "openneuro": source})
