"""Networks of the timm library."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys

LOADER = Loader(
    name="timm",
    version=1,
    module="radcbir.encoders.loaders.timm_encoder",
    libraries=("timm",),
    network=True,
    required=NETWORK,
    keys=network_keys(
        weights={
            "only": (*SOURCE, "layout", "prefix", "unused", "renamed", "random_seed"),
            "properties": {"layout": {"enum": ["timm", "ordered", "published"]}},
        },
        pooling={"enum": ["cls", "mean", "inside", "pooled", "logits"]},
        options={},
    ),
)
