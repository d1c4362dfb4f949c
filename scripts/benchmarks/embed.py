"""Embeddings: images per second beside FiftyOne's own and the bare network, and reading vectors.

    scripts/bench embed --data photos.parquet --weights resnet18.safetensors --json embed.json

Both ways use the same ResNet18 at 224x224 and the same weights; they and the bare forward pass take
turns, and each is given by its best round. Without --data, 500x375 JPEGs are cut from the two
photos that scikit-learn brings; without --weights, the network is random, which is as fast. With
--boxes, so many boxes are cut out of each image, beside FiftyOne's `compute_patch_embeddings`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _crops import bench_crops
from _measure import write_json
from _options import parse

WIDTH, HEIGHT = 500, 375


def image_files(folder: Path, data: Path | None, n: int) -> list[str]:
    """JPEGs from a parquet file's column `jpeg`, or windows of scikit-learn's photos."""
    if data is not None:
        import pyarrow.parquet as pq

        jpegs = pq.read_table(data, columns=["jpeg"]).column("jpeg").to_pylist()
        blobs = [jpegs[i % len(jpegs)] for i in range(n)]
    else:
        blobs = []
    paths = [folder / f"{i}.jpg" for i in range(n)]
    for path, blob in zip(paths, blobs, strict=False):
        path.write_bytes(blob)
    if data is None:
        from PIL import Image
        from sklearn.datasets import load_sample_images

        photos = [Image.fromarray(photo) for photo in load_sample_images().images]
        rng = np.random.default_rng(0)
        for i, path in enumerate(paths):
            photo = photos[i % len(photos)]
            # Of the largest window of this shape: a photo may be wider or higher than that.
            widest = min(photo.width, photo.height * WIDTH / HEIGHT)
            w = int(rng.uniform(0.5, 0.9) * widest)
            h = w * HEIGHT // WIDTH
            left, top = rng.integers(0, photo.width - w + 1), rng.integers(0, photo.height - h + 1)
            window = photo.crop((left, top, left + w, top + h)).resize((WIDTH, HEIGHT))
            window.save(path, quality=90)
    return [str(path) for path in paths]


def enlarge(paths: list[str], scale: float) -> None:
    """Make files as large as those of cameras."""
    from PIL import Image

    for path in paths if scale != 1 else ():
        with Image.open(path) as image:
            large = image.resize((int(image.width * scale), int(image.height * scale)))
        large.save(path, quality=90)


def weights_file(folder: Path, weights: Path | None) -> Path:
    if weights is not None:
        return weights
    import torch
    from torchvision import models

    torch.manual_seed(0)
    path = folder / "resnet18.pth"
    torch.save(models.resnet18(weights=None).state_dict(), path)
    return path


def dataset_of(paths: list[str]) -> Any:
    import fiftyone as fo

    dataset = fo.Dataset()
    dataset.add_samples(
        fo.Sample(filepath=path, ground_truth=fo.Classification(label="a")) for path in paths
    )
    return dataset


def zoo_model(weights: Path, image_size: int) -> Any:
    """FiftyOne's own wrapper of torchvision's ResNet18, as in its zoo, with the given weights."""
    import torch
    from fiftyone.utils.torch import TorchImageModel, TorchImageModelConfig
    from torchvision import models

    if weights.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(weights)
    else:
        state = torch.load(weights, weights_only=True)
    network = models.resnet18(weights=None)
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    network.load_state_dict(state, strict=False)
    config = {
        "model": network.eval(),
        "image_size": [image_size, image_size],
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "embeddings_layer": "<fc",
    }
    return TorchImageModel(TorchImageModelConfig(config))


def seconds(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def bench_embedding(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import torch

    from coreset_cleaning import CleaningLoop
    from coreset_cleaning.embedding.extractor import Extraction, Forward
    from coreset_cleaning.embedding.images import decode_batch
    from coreset_cleaning.embedding.networks import load_network

    paths = image_files(folder, args.data, args.images)
    weights = weights_file(folder, args.weights)
    network = load_network("resnet18", weights, args.image_size)
    dataset = dataset_of(paths)
    theirs = zoo_model(weights, args.image_size)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # The bare forward pass: pixels are in memory, the sizes tried are those of the extraction.
    size = 512 if device.type == "cuda" else 128
    forward = Forward(network, device, (size, size // 2, size // 4))
    pixels = torch.from_numpy(decode_batch(paths[:size], network.preprocessing)[0])
    for _ in range(4):
        forward(pixels)

    def bare() -> None:
        for _ in range(0, len(paths), size):
            forward(pixels)

    def extract() -> None:
        for _ in Extraction(network, paths, device=device, forward=forward):
            pass

    def ours() -> None:
        loop = CleaningLoop(dataset, embeddings_field="ours")
        loop.compute_embeddings(
            weights=weights, image_size=args.image_size, overwrite=dataset.has_field("ours")
        )

    def fiftyone() -> None:
        dataset.compute_embeddings(
            theirs, embeddings_field="theirs", batch_size=args.fiftyone_batch_size
        )

    ways = {"forward": bare, "extract": extract, "ours": ours, "fiftyone": fiftyone}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    cpu_rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, way in ways.items():
            images = -(-len(paths) // size) * size if name == "forward" else len(paths)
            begin = cpu_seconds()
            rates[name].append(images / seconds(way))
            cpu_rates[name].append(images / (cpu_seconds() - begin))
            print(
                f"  {name:10} {rates[name][-1]:8.1f} images/s, "
                f"{cpu_rates[name][-1]:8.1f} images/s of CPU time",
                flush=True,
            )
    a, b = (np.stack(dataset.values(field)) for field in ("ours", "theirs"))
    dataset.delete()
    best = {name: max(values) for name, values in rates.items()}
    cpu = {name: max(values) for name, values in cpu_rates.items()}
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {
        "device": str(device),
        "precision": forward.precision,
        "forward_batch_size": forward.chunk,
        "images": len(paths),
        "images_per_second": best["ours"],
        "fiftyone_images_per_second": best["fiftyone"],
        "forward_images_per_second": best["forward"],
        "extract_images_per_second": best["extract"],
        "ratio_vs_fiftyone": best["ours"] / best["fiftyone"],
        "fraction_of_forward": best["extract"] / best["forward"],
        "ours_fraction_of_forward": best["ours"] / best["forward"],
        # The same ratios in CPU time, which other programs on the machine disturb less.
        "ratio_vs_fiftyone_cpu": cpu["ours"] / cpu["fiftyone"],
        "fraction_of_forward_cpu": cpu["extract"] / cpu["forward"],
        # FiftyOne squeezes the whole image to a square, the weights' own steps crop its centre.
        "median_cosine_to_fiftyone": float(np.median(cosine)),
    }


def bench_reading(rows: int, width: int, rounds: int) -> dict[str, Any]:
    import fiftyone as fo

    from coreset_cleaning.store.vectors import read_vectors, write_vectors

    # Like ResNet18's: after a ReLU, so about half of the numbers are small.
    X = np.maximum(np.random.default_rng(0).standard_normal((rows, width)), 0).astype(np.float32)
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=f"{i}.jpg") for i in range(rows)])
    ids = dataset.values("id")
    for start in range(0, rows, 5_000):
        part = ids[start : start + 5_000]
        write_vectors(dataset, "e", dict(zip(part, X[start : start + 5_000], strict=True)))
    plain, fast = [], []
    for _ in range(rounds):
        plain.append(seconds(lambda: np.stack(dataset.values("e"))))
        fast.append(seconds(lambda: read_vectors(dataset, "e")))
        print(f"  values {plain[-1]:.2f} s, read_vectors {fast[-1]:.2f} s", flush=True)
    np.testing.assert_array_equal(read_vectors(dataset, "e")[1], X)
    dataset.delete()
    return {
        "rows": rows,
        "width": width,
        "values_seconds": min(plain),
        "read_vectors_seconds": min(fast),
        "read_ratio": min(plain) / min(fast),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="parquet file with a column `jpeg`")
    parser.add_argument("--weights", type=Path, help="state dict of ResNet18")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--boxes", type=int, default=0, help="of each image: bench crops instead")
    parser.add_argument(
        "--scale", type=float, default=1, help="with --boxes: images so much larger"
    )
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--fiftyone-batch-size", type=int, default=32, help="(%(default)s)")
    parser.add_argument("--rows", type=int, default=50_000, help="vectors to read (%(default)s)")
    args = parse(parser, database=True, images=16, image_size=64, rounds=1, rows=500)
    report: dict[str, Any] = {}
    if args.boxes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            paths = image_files(folder, args.data, args.images)
            enlarge(paths, args.scale)
            weights = weights_file(folder, args.weights)
            report |= bench_crops(
                paths,
                weights,
                zoo_model(weights, args.image_size),
                boxes=args.boxes,
                image_size=args.image_size,
                rounds=args.rounds,
                batch_size=args.fiftyone_batch_size,
            )
    elif args.images:
        with tempfile.TemporaryDirectory() as folder:
            report |= bench_embedding(args, Path(folder))
    if args.rows and not args.boxes:
        report |= bench_reading(args.rows, 512, args.rounds)
    print(json.dumps(report, indent=2))
    write_json(args.json, report)


if __name__ == "__main__":
    sys.exit(main())
