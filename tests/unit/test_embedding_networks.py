from __future__ import annotations

import urllib.error

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from coreset_cleaning.core.errors import WeightsError
from coreset_cleaning.embedding.networks import load_network


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(models.resnet18(weights=None).state_dict())


@pytest.fixture
def no_internet(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))


def test_embedding_is_the_input_of_the_last_layer(state, tmp_path):
    torch.save(state, tmp_path / "resnet18.pth")
    network = load_network("resnet18", tmp_path / "resnet18.pth")

    whole = models.resnet18(weights=None)
    whole.load_state_dict(state)
    whole.eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        embeddings = network.module(images)
        torch.testing.assert_close(whole.fc(embeddings), whole(images))
    assert network.dim == embeddings.shape[1] == 512


def test_half_precision_safetensors_become_float32_with_the_same_hash(state, tmp_path):
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(half, tmp_path / "half.safetensors")
    torch.save({k: v.float() for k, v in half.items()}, tmp_path / "float.pth")
    from_half = load_network(weights=tmp_path / "half.safetensors")
    from_float = load_network(weights=tmp_path / "float.pth")
    assert next(from_half.module.parameters()).dtype == torch.float32
    assert from_half.weights_hash == from_float.weights_hash


def test_hash_changes_with_one_number(state, tmp_path):
    torch.save(state, tmp_path / "a.pth")
    changed = {k: v.clone() for k, v in state.items()}
    changed["layer4.1.bn2.bias"][0] += 1
    torch.save(changed, tmp_path / "b.pth")
    hashes = {load_network(weights=tmp_path / name).weights_hash for name in ("a.pth", "b.pth")}
    assert len(hashes) == 2


def test_a_checkpoint_with_wrapper_prefix_and_other_classes_fits(state, tmp_path):
    wrapped = {f"module.{key}": value for key, value in state.items()}
    wrapped["module.fc.weight"] = torch.zeros(7, 512)
    wrapped["module.fc.bias"] = torch.zeros(7)
    torch.save({"state_dict": wrapped}, tmp_path / "tuned.pth")
    torch.save(state, tmp_path / "plain.pth")
    tuned = load_network(weights=tmp_path / "tuned.pth")
    assert tuned.weights_hash == load_network(weights=tmp_path / "plain.pth").weights_hash


def test_weights_of_another_network_are_refused_by_name(state, tmp_path):
    torch.save(state, tmp_path / "resnet18.pth")
    with pytest.raises(
        WeightsError, match=r"don't fit resnet34: missing: layer1\.2\.conv1\.weight"
    ):
        load_network("resnet34", tmp_path / "resnet18.pth")


def test_weights_without_a_layer_are_refused_by_name(state, tmp_path):
    part = {key: value for key, value in state.items() if key != "conv1.weight"}
    torch.save(part, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=r"missing: conv1\.weight"):
        load_network(weights=tmp_path / "part.pth")


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
def test_a_broken_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"root:x:0:0")
    with pytest.raises(WeightsError, match="can't be read as a state dict"):
        load_network(weights=tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="there is no file"):
        load_network(weights=tmp_path / "none.pth")


def test_an_unknown_model_is_refused():
    with pytest.raises(WeightsError, match="torchvision classifier such as"):
        load_network("resnet19")


def test_a_failed_download_names_the_ways_out_and_uses_no_random_weights(no_internet):
    with pytest.raises(WeightsError) as error:
        load_network("resnet18")
    text = str(error.value)
    for way_out in ("weights=", "checkpoints", "embeddings field", "offline"):
        assert way_out in text
    assert "\n" not in text


def test_none_means_the_published_weights_for_resnet18_and_the_default_for_others(no_internet):
    with pytest.raises(WeightsError, match="resnet18-f37072fd"):  # IMAGENET1K_V1
        load_network("resnet18")
    with pytest.raises(WeightsError, match="resnet50-11ad3fa6"):  # IMAGENET1K_V2
        load_network("resnet50")


@pytest.mark.parametrize(
    ("model", "dim"),
    [("mobilenet_v3_small", 1024), ("squeezenet1_1", 512), ("googlenet", 1024), ("vit_b_32", 768)],
)
def test_any_torchvision_classifier_is_cut_before_its_last_layer(tmp_path, model, dim):
    options = {"init_weights": False} if model == "googlenet" else {}
    torch.save(models.get_model(model, weights=None, **options).state_dict(), tmp_path / "w.pth")
    network = load_network(model, tmp_path / "w.pth")
    side = network.preprocessing.crop
    with torch.inference_mode():
        vectors = network.module(torch.zeros(1, 3, side, side))
    assert vectors.shape == (1, dim)
    assert network.dim == dim


def test_with_an_image_size_no_margin_is_cut_away(state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    default = load_network(weights=tmp_path / "w.pth").preprocessing
    small = load_network(weights=tmp_path / "w.pth", image_size=112).preprocessing
    assert (default.resize, default.crop) == (256, 224)
    assert (small.resize, small.crop) == (112, 112)
    with pytest.raises(WeightsError, match="at least 32 pixels, got 8"):
        load_network(weights=tmp_path / "w.pth", image_size=8)


def test_describe_is_json_and_names_what_decides_the_vectors(state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    record = load_network(weights=tmp_path / "w.pth").describe()
    assert record["model"] == "resnet18"
    assert record["weights"] == "w.pth"
    assert len(record["weights_hash"]) == 16
    assert record["preprocessing"]["crop"] == 224
