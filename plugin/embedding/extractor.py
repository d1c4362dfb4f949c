"""Image files through a network, as a stream of batches that a caller can write as they come."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..core.errors import CleaningError
from ..core.scoring.rows import thread_count
from .folding import folded
from .images import Array, decode_batch
from .networks import Network, Preprocessing

Batch = tuple[Array, Array, list[tuple[int, str]]]
_Decoded = tuple[torch.Tensor, list[int], list[tuple[int, str]]]

# Images decoded and yielded at a time.
_BATCH_SIZE = {"cuda": 512}
_CPU_BATCH_SIZE = 128
# Parts of it whose forward pass is tried. A whole one no longer fits into a CPU's cache.
_PARTS = {"cuda": (1, 2, 4)}
_CPU_PARTS = (2, 4, 8)
# bfloat16 is used only where it gives the same embedding: the smallest cosine to float32 allowed.
_MIN_COSINE = 0.9999
_PROBED_IMAGES = 8


def extract(
    network: Network,
    filepaths: Sequence[str],
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    device: str | torch.device | None = None,
) -> Extraction:
    """Embed image files, batch by batch.

    Parameters
    ----------
    network : Network
    filepaths : sequence of str
    batch_size : int, default=None
        Images decoded, computed and yielded at a time. None means 512 on a GPU and 128 on a CPU,
        computed whole (on a GPU), in halves, quarters or eighths (on a CPU), whichever the first
        batches show to be fastest. What doesn't fit into memory is halved, and so is all after it.
    num_workers : int, default=None
        Processes that decode; 0 means threads of this process. None means 0 on a CPU, where the
        network and not the decoding takes the time, and one per core (16 at most) on a GPU.
    device : str or torch.device, default=None
        None means the GPU when there is one.

    Returns
    -------
    Extraction
        An iterator of ``(indices, vectors, failures)``: int64 positions in `filepaths` of shape
        (b,), float32 array (b, dim), and (position, reason) of each file that gave no vector.

    Raises
    ------
    CleaningError
        While iterating, if one image alone doesn't fit into the device's memory.
    """
    return Extraction(network, filepaths, batch_size, num_workers, device)


class Extraction(Iterator[Batch]):
    """The running extraction: iterate over it for batches; see `extract`.

    Attributes
    ----------
    device : torch.device
    precision : str
        ``"bfloat16"`` where the hardware computes it natively and the first images' embeddings
        agree with float32 to a cosine of 0.9999; otherwise ``"float32"``. Known after the first
        batch; for a run's record.
    """

    def __init__(
        self,
        network: Network,
        filepaths: Sequence[str],
        batch_size: int | None = None,
        num_workers: int | None = None,
        device: str | torch.device | None = None,
        forward: Forward | None = None,
    ) -> None:
        self.device = chosen_device(device)
        self.precision = "float32"
        size = batch_size or default_batch_size(self.device)
        workers = default_num_workers(self.device) if num_workers is None else num_workers
        trials = () if batch_size else sizes_to_try(self.device)
        self._forward = forward or Forward(network, self.device, trials)
        self._paths = list(filepaths)
        self._starts = range(0, len(self._paths), size)
        self._size = size
        ahead = self.device.type == "cuda"
        decoded = _decoded(network.preprocessing, self._paths, size, workers, ahead)
        self._batches = self._run(decoded)

    def __next__(self) -> Batch:
        return next(self._batches)

    def __len__(self) -> int:
        """Batches there are in all."""
        return len(self._starts)

    def close(self) -> None:
        """Stop early and end the workers."""
        self._batches.close()

    def _run(self, decoded: Iterator[_Decoded]) -> Generator[Batch, None, None]:
        for start, (pixels, positions, failures) in zip(self._starts, decoded, strict=True):
            vectors = self._forward(pixels)
            self.precision = self._forward.precision
            indices = np.asarray(positions, np.int64) + start
            failed = [(start + position, reason) for position, reason in failures]
            yield checked(indices, vectors, failed, "network")


def checked(indices: Array, vectors: Array, failed: list[tuple[int, str]], who: str) -> Batch:
    """Return a batch; vectors that are not finite are failures."""
    finite = np.isfinite(vectors).all(axis=1)
    failed = failed + [(int(i), f"the {who} gave NaN or infinity") for i in indices[~finite]]
    return indices[finite], vectors[finite], failed


class Forward:
    """A network on a device: uint8 pixels in, float32 embeddings out.

    Parameters
    ----------
    network : Network
        Its module, or a copy of it, is moved to the device.
    device : torch.device
    trials : sequence of int
        Sizes of forward pass to try on the first calls with so many images or more, from the
        largest down, until one is slower; the fastest is kept. Nothing is computed twice for it.
    """

    def __init__(self, network: Network, device: torch.device, trials: Sequence[int] = ()) -> None:
        preprocessing = network.preprocessing
        self.device = device
        self.precision = "unknown"
        self._dim = network.dim
        module = folded(network.module).to(device)
        self._module = module.to(memory_format=torch.channels_last)
        scale = 1 / (255 * torch.tensor(preprocessing.std))
        shift = -torch.tensor(preprocessing.mean) / torch.tensor(preprocessing.std)
        self._scale = scale.to(device)
        self._shift = shift.to(device)
        self._chunk: int | None = None
        self._trials = sorted(trials, reverse=True)
        self._trials[:1] *= 2  # the first call of all is slow for other reasons
        self._seconds: dict[int, float] = {}  # an image, by size of forward pass

    def __call__(self, pixels: torch.Tensor) -> Array:
        """Embed uint8 pixels of shape (b, side, side, 3); gives float32 (b, dim)."""
        if self.precision == "unknown" and len(pixels):
            self.precision = self._choose_precision(pixels[:_PROBED_IMAGES])
        if self._trials and len(pixels) >= max(self._trials):
            return self._try_chunk(pixels)
        return self._in_chunks(pixels)

    @property
    def chunk(self) -> int | None:
        """Images a forward pass takes at most; None: whatever it is given."""
        return self._chunk

    def _try_chunk(self, pixels: torch.Tensor) -> Array:
        size = self._chunk = self._trials.pop(0)
        begin = time.perf_counter()
        vectors = self._in_chunks(pixels)
        seconds = (time.perf_counter() - begin) / len(pixels)
        if self._chunk < size:  # it did not fit, nor will those that are as large
            self._trials = [other for other in self._trials if other <= self._chunk]
        else:
            if seconds > min(self._seconds.values(), default=seconds):
                self._trials.clear()
            self._seconds[size] = min(seconds, self._seconds.get(size, seconds))
        if not self._trials and self._seconds:
            self._chunk = min(self._seconds, key=lambda chunk: self._seconds[chunk])
        return vectors

    def _in_chunks(self, pixels: torch.Tensor) -> Array:
        parts, done = [], 0
        while done < len(pixels):
            chunk = pixels[done : done + (self._chunk or len(pixels))]
            try:
                parts.append(self._embed(chunk, self.precision == "bfloat16"))
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if len(chunk) <= 1:
                    raise CleaningError(
                        f"The network needs more memory for one image than {self.device} has.",
                        'Use a smaller image size, a smaller network or device="cpu".',
                    ) from error
                self._chunk = len(chunk) // 2
            else:
                done += len(chunk)
        vectors = [part.float().cpu().numpy() for part in parts]
        return np.concatenate([np.empty((0, self._dim), np.float32), *vectors])

    @torch.inference_mode()
    def _embed(self, pixels: torch.Tensor, bfloat16: bool) -> torch.Tensor:
        images = pixels.to(self.device, non_blocking=True)
        # Height, width, channel in memory is what channels_last means: no copy is made.
        images = torch.addcmul(self._shift, images.float(), self._scale).permute(0, 3, 1, 2)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            vectors: torch.Tensor = self._module(images)
        return vectors.flatten(1)

    def _choose_precision(self, pixels: torch.Tensor) -> str:
        if not has_native_bfloat16(self.device):
            return "float32"
        exact = self._embed(pixels, bfloat16=False)
        fast = self._embed(pixels, bfloat16=True).float()
        cosine = nn.functional.cosine_similarity(exact, fast)
        return "bfloat16" if bool((cosine >= _MIN_COSINE).all()) else "float32"


def chosen_device(device: str | torch.device | None) -> torch.device:
    """Return the device that is meant; by default the GPU when there is one."""
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def default_batch_size(device: torch.device) -> int:
    """Images decoded, computed and yielded at a time: see `extract`."""
    return _BATCH_SIZE.get(device.type, _CPU_BATCH_SIZE)


def sizes_to_try(device: torch.device) -> tuple[int, ...]:
    """Images of a forward pass, of which the fastest is kept: see `extract`."""
    parts = _PARTS.get(device.type, _CPU_PARTS)
    return tuple(default_batch_size(device) // part for part in parts)


def has_native_bfloat16(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 in hardware; emulation is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
    return False


def default_num_workers(device: torch.device) -> int:
    """Decoding processes to use: see `extract`."""
    # A process that is itself a daemon may have no children, and one that isn't forked would run
    # the caller's script again.
    forks = multiprocessing.get_start_method() == "fork"
    if device.type == "cpu" or not forks or multiprocessing.current_process().daemon:
        return 0
    return min(16, _cores())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def out_of_memory(error: RuntimeError) -> bool:
    """Tell whether torch failed for want of memory, on a GPU or a CPU."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)


def _decoded(
    preprocessing: Preprocessing, paths: Sequence[str], size: int, workers: int, ahead: bool
) -> Iterator[_Decoded]:
    starts = range(0, len(paths), size)
    if workers == 0:
        with ThreadPoolExecutor(thread_count()) as pool, ThreadPoolExecutor(1) as waiting:

            def decode(start: int) -> _Decoded:
                part = paths[start : start + size]
                pixels, positions, failures = decode_batch(part, preprocessing, pool.map)
                tensor = torch.from_numpy(pixels)
                return tensor.pin_memory() if ahead else tensor, positions, failures

            if ahead:
                yield from _one_ahead(waiting, decode, starts)
            else:
                # The network's threads and these take turns: run side by side on few cores, they
                # would wait for each other at every layer.
                yield from map(decode, starts)
        return
    batches = _BatchesOfFiles(preprocessing, paths, starts)
    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=2,
        pin_memory=torch.cuda.is_available(),
    )
    yield from loader


def _one_ahead(
    pool: ThreadPoolExecutor, decode: Callable[[int], _Decoded], starts: range
) -> Iterator[_Decoded]:
    """Decode the next batch while a GPU computes this one."""
    pending: Future[_Decoded] | None = None
    for start in starts:
        following = pool.submit(decode, start)
        if pending is not None:
            yield pending.result()
        pending = following
    if pending is not None:
        yield pending.result()


class _BatchesOfFiles(Dataset[_Decoded]):
    """Whole batches, so that one message per batch and not per image crosses processes."""

    def __init__(self, preprocessing: Preprocessing, paths: Sequence[str], starts: range) -> None:
        self._preprocessing = preprocessing
        self._paths = paths
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> _Decoded:
        start = self._starts[index]
        paths = self._paths[start : start + self._starts.step]
        pixels, positions, failures = decode_batch(paths, self._preprocessing)
        return torch.from_numpy(pixels), positions, failures
