from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from coreset_cleaning.core.errors import CleaningError
from coreset_cleaning.embedding import extractor
from coreset_cleaning.embedding.extractor import Forward, extract, has_native_bfloat16
from coreset_cleaning.embedding.images import decode_batch
from coreset_cleaning.embedding.networks import load_network

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(models.resnet18(weights=None).state_dict(), path)
    return load_network("resnet18", path, image_size=64)


@pytest.fixture
def paths(tmp_path) -> list[str]:
    random = np.random.default_rng(0)
    files = []
    for i in range(10):
        coarse = random.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((90, 80)).save(tmp_path / f"{i}.png")
        files.append(str(tmp_path / f"{i}.png"))
    return files


@pytest.fixture
def reference(network, paths) -> np.ndarray:
    """The plain way: float32, one image at a time, torchvision's own normalisation."""
    rows = []
    steps = network.preprocessing
    for path in paths:
        pixels, _, _ = decode_batch([path], steps)
        image = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        image = (image - torch.tensor(steps.mean)[:, None, None]) / torch.tensor(steps.std)[
            :, None, None
        ]
        with torch.inference_mode():
            rows.append(network.module.float()(image)[0].numpy())
    return np.stack(rows)


def gathered(extraction, n, dim=512):
    vectors, failures, seen = np.full((n, dim), np.nan, np.float32), [], []
    for indices, batch, failed in extraction:
        assert batch.dtype == np.float32
        vectors[indices] = batch
        seen += list(indices)
        failures += failed
    return vectors, failures, seen


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_file_once_in_order_as_the_plain_forward_pass(network, paths, reference, num_workers):
    extraction = extract(network, paths, batch_size=4, num_workers=num_workers, device="cpu")
    assert len(extraction) == 3
    vectors, failures, seen = gathered(extraction, len(paths))
    assert seen == list(range(10))
    assert failures == []
    assert cosine(vectors, reference).min() >= 0.9999


def test_bfloat16_is_used_where_it_is_native_and_stays_close(network, paths, reference):
    extraction = extract(network, paths, device="cpu")
    vectors, _, _ = gathered(extraction, len(paths))
    assert extraction.precision == ("bfloat16" if has_native_bfloat16(CPU) else "float32")
    assert cosine(vectors, reference).min() >= 0.9999


def test_emulated_bfloat16_of_this_network_is_close_on_every_machine(network, paths, reference):
    forward = Forward(network, CPU)
    forward.precision = "bfloat16"
    pixels, _, _ = decode_batch(paths, network.preprocessing)
    assert cosine(forward(torch.from_numpy(pixels)), reference).min() >= 0.9999


def test_bfloat16_is_dropped_when_it_changes_the_embedding(network, paths, reference, monkeypatch):
    monkeypatch.setattr(
        "coreset_cleaning.embedding.extractor.has_native_bfloat16", lambda device: True
    )
    monkeypatch.setattr("coreset_cleaning.embedding.extractor._MIN_COSINE", 1.1)
    extraction = extract(network, paths, device="cpu")
    vectors, _, _ = gathered(extraction, len(paths))
    assert extraction.precision == "float32"
    np.testing.assert_allclose(vectors, reference, rtol=1e-3, atol=1e-4)


def test_bad_files_are_reported_by_position_and_get_no_vector(network, paths, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    mixed = [paths[0], str(tmp_path / "empty.png"), paths[1], str(tmp_path / "text.png"), paths[2]]
    vectors, failures, seen = gathered(extract(network, mixed, batch_size=2, device="cpu"), 5)
    assert seen == [0, 2, 4]
    assert [position for position, _ in failures] == [1, 3]
    assert np.isnan(vectors[[1, 3]]).all()


def test_only_bad_files_and_no_files(network, tmp_path):
    batches = list(extract(network, [str(tmp_path / "none.png")], device="cpu"))
    assert batches[0][1].shape == (0, 512)
    assert batches[0][2] == [(0, "there is no such file")]
    assert list(extract(network, [], device="cpu")) == []


def test_a_vector_that_is_not_finite_is_a_failure(network, paths, monkeypatch):
    monkeypatch.setattr(
        Forward, "__call__", lambda self, pixels: np.full((len(pixels), 512), np.nan)
    )
    indices, vectors, failures = next(extract(network, paths[:1], device="cpu"))
    assert len(indices) == len(vectors) == 0
    assert failures == [(0, "the network gave NaN or infinity")]


def test_batches_come_one_by_one_and_it_can_stop_early(network, paths):
    extraction = extract(network, paths, batch_size=3, device="cpu")
    indices, _, _ = next(extraction)
    assert list(indices) == [0, 1, 2]
    extraction.close()
    assert list(extraction) == []


def limited_memory(forward: Forward, images: int) -> list[int]:
    """Make a forward pass of more than `images` fail as torch does; record the sizes tried."""
    embed, tried = forward._embed, []

    def limited(pixels, bfloat16):
        tried.append(len(pixels))
        if len(pixels) > images:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
        return embed(pixels, bfloat16)

    forward._embed = limited
    return tried


def test_out_of_memory_halves_the_batch_for_good(network, paths, reference):
    forward = Forward(network, CPU)
    forward.precision = "float32"
    tried = limited_memory(forward, 3)
    pixels = torch.from_numpy(decode_batch(paths, network.preprocessing)[0])
    np.testing.assert_allclose(forward(pixels), reference, rtol=1e-3, atol=1e-4)
    assert tried == [10, 5, 2, 2, 2, 2, 2]
    forward(pixels)
    assert set(tried[7:]) == {2}


def test_one_image_too_many_for_the_memory_is_an_error(network, paths):
    forward = Forward(network, CPU)
    forward.precision = "float32"
    limited_memory(forward, 0)
    pixels = torch.from_numpy(decode_batch(paths, network.preprocessing)[0])
    with pytest.raises(CleaningError, match="more memory for one image than cpu has"):
        forward(pixels)


def test_other_errors_of_the_network_are_not_taken_for_memory(network, paths):
    with pytest.raises(RuntimeError, match="size of tensor"):
        Forward(network, CPU)(torch.zeros(1, 64, 64, 2, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("seconds", "best"), [(lambda n: 1 + n / 8, 8), (lambda n: n**2, 2), (lambda n: abs(n - 4), 4)]
)
def test_the_fastest_size_of_forward_pass_is_found_on_the_way(network, monkeypatch, seconds, best):
    clock, tried = [0.0], []
    monkeypatch.setattr(extractor.time, "perf_counter", lambda: clock[0])

    def embed(self, pixels, bfloat16):
        tried.append(len(pixels))
        clock[0] += seconds(len(pixels))
        return torch.zeros(len(pixels), 512)

    monkeypatch.setattr(Forward, "_embed", embed)
    forward = Forward(network, CPU, trials=(8, 4, 2))
    forward.precision = "float32"
    pixels = torch.zeros(8, 64, 64, 3, dtype=torch.uint8)
    assert len(forward(pixels[:5])) == 5  # too few to tell anything
    for _ in range(4):
        assert len(forward(pixels)) == 8
    assert tried[:5] == [5, 8, 8, 4, 4]
    assert (2 in tried) == (best != 8)  # halves that are slower are the end of it
    assert forward.chunk == best
    tried.clear()
    forward(pixels)
    assert set(tried) == {best}


def test_sizes_that_do_not_fit_are_not_tried_again(network, paths):
    forward = Forward(network, CPU, trials=(10, 5, 2))
    forward.precision = "float32"
    tried = limited_memory(forward, 3)
    pixels = torch.from_numpy(decode_batch(paths, network.preprocessing)[0])
    for _ in range(3):
        assert len(forward(pixels)) == 10
    assert tried == [10, 5, *15 * [2]]
    assert forward.chunk == 2


def test_a_gpu_finds_the_next_batch_decoded():
    order = []

    def decode(start):
        order.append(start)
        return start

    with ThreadPoolExecutor(1) as pool:
        batches = extractor._one_ahead(pool, decode, range(0, 9, 3))
        assert next(batches) == 0
        pool.submit(int).result()  # the queue before it is empty by then
        assert order == [0, 3]
        assert list(batches) == [3, 6]
    assert list(extractor._one_ahead(pool, decode, range(0))) == []
