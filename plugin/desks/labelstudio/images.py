"""How reviewers' browsers get the images: uploaded, from a shared folder, or by address."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from ...core.errors import DataError, ServerError
from .connection import ROOT_VARIABLE, LabelStudioServer
from .thumbnails import thumbnail

MODES = ("upload", "local", "url")

# The server refuses more files in a request, and larger requests.
UPLOAD_FILES = 100
UPLOAD_BYTES = 100 * 1024 * 1024

# What both the server takes and browsers show, by the bytes a file begins with.
_SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"<svg": ".svg",
    b"<?xml": ".svg",
}
_LOCAL = "/data/local-files/?d="
IN_A_BUCKET = ("s3://", "gs://", "azure-blob://")
_REMOTE = ("http://", "https://", *IN_A_BUCKET)
_NAMED_AT_MOST = 5


class ImageSource:
    """Turns images into what a task must hold so that Label Studio shows them.

    Parameters
    ----------
    server : LabelStudioServer
        Where the tasks go.
    project_id : int or None
        Their project. None before it is made: `check` with ``connect=False`` needs none, and
        `go_to` names it later.
    mode : {"upload", "local", "url"}
        "upload" sends the files, at most 100 at a time. "local" is for a server that sees the same
        folder `root`. "url" takes addresses (http, s3, ...) as they are.
    root : Path, optional
        With "local": the folder that Label Studio may serve. Default: the server's own variable
        LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, if it is set here, too.
    small : bool, default False
        Whether photographs that are uploaded are scaled down, for pages with many of them.

    Raises
    ------
    DataError
        When the mode is unknown, or "local" has no root.
    """

    def __init__(
        self,
        server: LabelStudioServer,
        project_id: int | None,
        mode: str,
        root: Path | None = None,
        small: bool = False,
    ) -> None:
        if mode not in MODES:
            raise DataError(
                f"images must be one of {', '.join(MODES)}, got {mode!r}.", "Choose one of these."
            )
        if mode == "local" and root is None:
            if not os.environ.get(ROOT_VARIABLE):
                raise DataError(
                    "images='local' needs the folder that Label Studio may serve.",
                    f"Set {ROOT_VARIABLE} here to what it is on the server, or give images_root.",
                )
            root = Path(os.environ[ROOT_VARIABLE])
        self._server = server
        self._project_id = project_id
        self._mode = mode
        self._root = root if mode == "local" else None
        self._small = small
        # Sample id to address: what is uploaded stays uploaded when the import after it fails.
        self._known: dict[str, str] = {}
        # Path to what it is below the root, and folder to where it really is: links are followed
        # once.
        self._below: dict[str, Path] = {}
        self._folders: dict[Path, Path] = {}
        self._checked: set[str] = set()
        self._connected: set[str] = set()

    def check(self, images: Mapping[str, str], connect: bool = True) -> None:
        """Look at all images before anything is sent; with "local", let the server serve them.

        Parameters
        ----------
        images : mapping of str to str
            Sample id to path, or to address with "url".
        connect : bool, default True
            With False, nothing is changed on the server.

        Raises
        ------
        DataError
            Names the images that are missing, no image, too large, outside the root or no address.
        """
        errors: list[DataError] = []
        new = {i: image for i, image in images.items() if i not in self._checked}
        for sample_id, image in new.items():
            try:
                if self._mode == "url":
                    _check_address(image)
                else:
                    _check_file(Path(image), upload=self._mode == "upload")
                    if self._root is not None:
                        self._below[image] = self._below_root(Path(image), self._root)
                self._checked.add(sample_id)
            except DataError as error:
                errors.append(error)
        if errors:
            more = len(errors) - _NAMED_AT_MOST
            raise DataError(
                f"{len(errors)} of {len(images)} images can't be shown in Label Studio. Nothing "
                f"was sent. {' '.join(error.what for error in errors[:_NAMED_AT_MOST])}"
                + (f" And {more} more." if more > 0 else ""),
                # Of the same kind, most often: each way out once.
                " ".join(dict.fromkeys(error.fix for error in errors[:_NAMED_AT_MOST])),
            )
        unserved = {image for image in images.values() if image not in self._connected}
        if self._root is not None and unserved and connect:
            self._connect_storage([self._below[image] for image in unserved], self._root)
            self._connected |= unserved

    def go_to(self, project_id: int) -> None:
        """Name the project; what is checked stays checked."""
        self._project_id = project_id

    def addresses(self, images: Mapping[str, str]) -> dict[str, str]:
        """Return sample id to address; with "upload", send what was not sent before.

        Parameters
        ----------
        images : mapping of str to str
            Sample id to path, or to address with "url".
        """
        if self._mode == "url":
            return dict(images)
        if self._root is not None:
            for path in set(images.values()) - set(self._below):
                self._below[path] = self._below_root(Path(path), self._root)
            return {i: _LOCAL + quote(str(self._below[path])) for i, path in images.items()}
        self._upload({i: path for i, path in images.items() if i not in self._known})
        return {i: self._known[i] for i in images}

    def _below_root(self, path: Path, root: Path) -> Path:
        """Return a file's path relative to the root; one that a link leads out of is refused."""
        real, real_root = self._real(path), self._folder(root)
        try:
            return real.relative_to(real_root)
        except ValueError:
            raise DataError(
                f"image {path} must lie below {root}, the folder that Label Studio may serve; it "
                f"is really {real}.",
                "Use images='upload'.",
            ) from None

    def _real(self, path: Path) -> Path:
        return path.resolve() if path.is_symlink() else self._folder(path.parent) / path.name

    def _folder(self, folder: Path) -> Path:
        if folder not in self._folders:
            self._folders[folder] = folder.resolve()
        return self._folders[folder]

    def _upload(self, images: Mapping[str, str]) -> None:
        batch: dict[str, tuple[str, bytes]] = {}
        size = 0
        for sample_id, path in images.items():
            content = _read(Path(path))
            if self._small:
                content = thumbnail(content)
            if batch and (len(batch) == UPLOAD_FILES or size + len(content) > UPLOAD_BYTES):
                self._upload_batch(batch)
                batch, size = {}, 0
            # Named by us: the server refuses some names, and may not learn the paths here.
            batch[sample_id] = (f"{sample_id}{_suffix(Path(path), content)}", content)
            size += len(content)
        if batch:
            self._upload_batch(batch)

    def _upload_batch(self, batch: dict[str, tuple[str, bytes]]) -> None:
        server, base = self._server, f"api/projects/{self._project_id}"
        answer = server.upload(f"{base}/import", files=batch, commit_to_project="false")
        uploads = server.get(f"{base}/file-uploads", ids=json.dumps(answer["file_upload_ids"]))
        # The server puts letters of its own before our name.
        by_name = {name: sample_id for sample_id, (name, _) in batch.items()}
        for upload in uploads:
            name = upload["file"].rsplit("-", 1)[-1]
            if name in by_name:
                self._known[by_name[name]] = "/data/" + upload["file"]
        kept = sum(sample_id in self._known for sample_id in batch)
        if kept != len(batch):
            raise ServerError(
                f"Label Studio at {server.url} kept {kept} of {len(batch)} uploaded images.",
                "Call push again; what has arrived is not sent twice.",
            )

    def _connect_storage(self, below_root: list[Path], root: Path) -> None:
        """Let the project show files below the images' folder; their files are not imported."""
        below = Path(os.path.commonpath([path.parent for path in below_root]))
        # As the server writes it: its root may itself be a symbolic link.
        folder = Path(os.path.abspath(root)) / below
        if below == Path():
            raise DataError(
                f"images must lie in a folder below {root}: Label Studio does not serve the files "
                "of its root itself.",
                "Move them, or use images='upload'.",
            )
        storages = self._server.get("api/storages/localfiles/", project=self._project_id)
        if any(folder.is_relative_to(storage["path"]) for storage in storages):
            return
        self._server.post(
            "api/storages/localfiles/",
            {
                "project": self._project_id,
                "title": "Images",
                "path": str(folder),
                "use_blob_urls": True,
            },
        )


def _check_address(image: str) -> None:
    if not image.startswith(_REMOTE):
        raise DataError(
            f"images='url' needs addresses ({', '.join(_REMOTE)}), got {image!r}.",
            "Use images='upload' for files.",
        )


def _check_file(path: Path, upload: bool) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(64)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    _suffix(path, head)
    if upload and size > UPLOAD_BYTES:
        raise DataError(
            f"image {path} must have at most {UPLOAD_BYTES} bytes to be uploaded, got {size}.",
            "Use images='local' or 'url' for larger ones.",
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"image {path} can't be read ({error.strerror}).",
        "Restore the file, or remove the sample from the dataset, and push again.",
    )


def image_suffix(content: bytes) -> str | None:
    """Return the ending that goes with an image's first bytes; None if browsers don't show it."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    for magic, suffix in _SUFFIXES.items():
        if content.startswith(magic):
            return suffix
    return None


def _suffix(path: Path, content: bytes) -> str:
    """Return the file name's ending that goes with the content, whatever the file is called."""
    suffix = image_suffix(content)
    if suffix is None:
        raise DataError(
            f"image {path} must be a JPEG, PNG, GIF, BMP, WebP or SVG file, which browsers show, "
            f"got {'an empty file' if not content else 'something else'}.",
            "Convert it, or remove the sample from the dataset, and push again.",
        )
    return suffix
