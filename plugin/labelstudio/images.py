"""How reviewers' browsers get the images: uploaded, from a shared folder, or by address."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from ..core.errors import DataError, ServerError
from .connection import LabelStudioServer

MODES = ("upload", "local", "url")

# The server refuses more files in a request, and larger requests.
UPLOAD_FILES = 100
UPLOAD_BYTES = 100 * 1024 * 1024

_SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}
_REMOTE = ("http://", "https://", "s3://", "gs://", "azure-blob://")


def image_addresses(
    server: LabelStudioServer,
    project_id: int,
    images: Mapping[str, str],
    mode: str,
    root: Path | None = None,
) -> dict[str, str]:
    """Return what to put into each task so that Label Studio shows the image.

    Parameters
    ----------
    server : LabelStudioServer
        Where the tasks go.
    project_id : int
        Their project.
    images : mapping of str to str
        Sample id to path, or to address with "url".
    mode : {"upload", "local", "url"}
        "upload" sends the files, at most 100 at a time. "local" is for a server that sees the same
        folder `root`, its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT. "url" takes the addresses as
        they are.
    root : Path, optional
        With "local".

    Raises
    ------
    DataError
        When a file is missing, too large, outside `root`, or not an address.
    """
    if mode == "url":
        return {sample_id: _checked_address(image) for sample_id, image in images.items()}
    if mode == "local":
        if root is None:
            raise DataError("images='local' needs the folder that Label Studio may serve (root).")
        addresses = {i: local_address(Path(path), root) for i, path in images.items()}
        _ensure_local_storage(server, project_id, images.values(), root)
        return addresses
    if mode == "upload":
        return _upload(server, project_id, images)
    raise DataError(f"images must be one of {', '.join(MODES)}, got {mode!r}.")


def local_address(path: Path, root: Path) -> str:
    """Return the address of a file below the server's document root.

    Symbolic links are followed first, so that one that leads out of the root is refused.
    """
    real, real_root = path.resolve(), root.resolve()
    if not real.is_relative_to(real_root):
        raise DataError(
            f"image {path} must lie below {root}, the folder that Label Studio may serve; it is "
            f"really {real}. Use images='upload'."
        )
    return "/data/local-files/?d=" + quote(str(real.relative_to(real_root)))


def _ensure_local_storage(
    server: LabelStudioServer, project_id: int, paths: Iterable[str], root: Path
) -> None:
    """Give the project the right to serve the images' folder; Label Studio refuses it otherwise.

    The storage is never synchronised: that would make a task of every file in the folder.
    """
    folder = Path(os.path.commonpath([Path(path).resolve().parent for path in paths]))
    if folder == root.resolve():
        raise DataError(
            f"the images must lie in a folder below {root}, not in it: Label Studio serves no "
            "files of the document root itself. Move them, or use images='upload'."
        )
    for storage in server.get("api/storages/localfiles/", project=project_id):
        if folder.is_relative_to(storage["path"]):
            return
    server.post(
        "api/storages/localfiles/",
        {
            "project": project_id,
            "title": f"Images of label cleaning: {folder.name}",
            "path": str(folder),
            "use_blob_urls": True,
        },
    )


def _checked_address(image: str) -> str:
    if not image.startswith(_REMOTE):
        raise DataError(
            f"images='url' needs addresses ({', '.join(_REMOTE)}), got {image!r}. "
            "Use images='upload' for files."
        )
    return image


def _upload(
    server: LabelStudioServer, project_id: int, images: Mapping[str, str]
) -> dict[str, str]:
    addresses: dict[str, str] = {}
    batch: dict[str, tuple[str, bytes]] = {}
    size = 0
    for sample_id, path in images.items():
        content = _read(Path(path))
        if batch and (len(batch) == UPLOAD_FILES or size + len(content) > UPLOAD_BYTES):
            addresses.update(_upload_batch(server, project_id, batch))
            batch, size = {}, 0
        batch[sample_id] = (sample_id + _suffix(Path(path), content), content)
        size += len(content)
    if batch:
        addresses.update(_upload_batch(server, project_id, batch))
    return addresses


def _upload_batch(
    server: LabelStudioServer, project_id: int, batch: dict[str, tuple[str, bytes]]
) -> dict[str, str]:
    answer = server.upload(
        f"api/projects/{project_id}/import", files=batch, commit_to_project="false"
    )
    uploads = server.get(
        f"api/projects/{project_id}/file-uploads", ids=json.dumps(answer["file_upload_ids"])
    )
    # The server prefixes names with letters of its own; ours ends the name and is unique.
    by_name = {name: sample_id for sample_id, (name, _) in batch.items()}
    addresses = {}
    for upload in uploads:
        name = upload["file"].rsplit("-", 1)[-1]
        if name in by_name:
            addresses[by_name[name]] = "/data/" + upload["file"]
    if len(addresses) != len(batch):
        raise ServerError(
            f"Label Studio at {server.url} kept {len(addresses)} of {len(batch)} uploaded images. "
            "Call push again; what has arrived is not sent twice."
        )
    return addresses


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"image {path} can't be read ({error.strerror}). Restore the file, or remove the "
            "sample from the dataset, and push again."
        ) from None
    if not 0 < len(content) <= UPLOAD_BYTES:
        raise DataError(
            f"image {path} must have between 1 and {UPLOAD_BYTES} bytes to be uploaded, got "
            f"{len(content)}. Use images='local' or 'url' for larger ones."
        )
    return content


def _suffix(path: Path, content: bytes) -> str:
    """Return a file name's ending; the server refuses names without, so the bytes decide then."""
    if path.suffix:
        return path.suffix.lower()
    return next(
        (suffix for magic, suffix in _SUFFIXES.items() if content.startswith(magic)), ".jpg"
    )
