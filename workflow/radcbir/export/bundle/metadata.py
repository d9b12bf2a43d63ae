"""What catalogs of research data need: RO-Crate for the bundle, Croissant for its table of images."""

import mimetypes
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radcbir import __version__
from radcbir.core.files import sha256_of_file
from radcbir.core.text.retrieved import one, several
from radcbir.export.bundle import form

if TYPE_CHECKING:
    from radcbir.export.bundle.write import ModelParts

PARQUET = "application/vnd.apache.parquet"

HOMEPAGE = "https://arxiv.org/abs/2403.06567"
"""The protocol."""

LICENCE = (
    "Labels and image names are under the licences of the datasets, which are not stated here. The "
    "licences of the models are in experiment.json."
)

COLUMNS = {
    "id": ("integer", "number of the image in this bundle"),
    "dataset": ("text", "dataset of the image"),
    "split": ("text", "split of the image: of the index or of queries"),
    "path": ("text", "file of the image in the dataset, or its pseudonym"),
    "label": ("text", "label as MODALITY/region/finding, empty where there are several"),
    "labels": ("texts", "all labels"),
    "patient_id": ("text", "patient, or a pseudonym"),
    "modality": ("text", "modality"),
    "region": ("text", "region of the body"),
}


def croissant(
    folder: Path,
    experiment: Mapping[str, Any],
    datasets: Mapping[str, Mapping[str, Any]],
    made: date,
) -> dict[str, Any]:
    """The description of ``images.parquet`` in Croissant 1.0 (MLCommons), as JSON-LD.

    Raises :class:`mlcroissant.ValidationError` where it would not be valid.
    """
    import mlcroissant as mlc

    file = mlc.FileObject(
        id=form.IMAGES,
        name=form.IMAGES,
        description=f"A row per {one(experiment.get('unit', 'image'))}, without images.",
        content_url=form.IMAGES,
        encoding_formats=["application/x-parquet"],
        sha256=sha256_of_file(folder / form.IMAGES),
    )
    kinds = {
        "integer": {"data_types": mlc.DataType.INTEGER},
        "text": {"data_types": mlc.DataType.TEXT},
        "texts": {"data_types": mlc.DataType.TEXT, "is_array": True, "array_shape": "-1"},
    }
    fields = [
        mlc.Field(
            id=f"images/{name}",
            name=name,
            description=meaning,
            source=mlc.Source(file_object=form.IMAGES, extract=mlc.Extract(column=name)),
            **kinds[kind],
        )
        for name, (kind, meaning) in COLUMNS.items()
    ]
    sources = [
        f"{name} ({', '.join(about['known_as'])})" if about["known_as"] else name
        for name, about in datasets.items()
    ]
    rows = several(experiment.get("unit", "image"))
    described = mlc.Metadata(
        name=f"radcbir-{experiment['name']}",
        description=f"{rows.capitalize()}, labels and splits of the retrieval benchmark "
        f"{experiment['name']}, from the datasets {', '.join(sources)}.",
        url=HOMEPAGE,
        license=[LICENCE],
        version="1.0.0",
        date_published=datetime.combine(made, time()),
        cite_as="See experiment.json.",
        distribution=[file],
        record_sets=[mlc.RecordSet(id="images", name="images", fields=fields)],
    )
    return _plain(described.to_json())


def _plain(value: Any) -> Any:
    """JSON's own types: dates as text."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def crate(
    folder: Path,
    files: Sequence[str],
    experiment: Mapping[str, Any],
    models: Mapping[str, "ModelParts"],
    made: date,
) -> dict[str, Any]:
    """The metadata of the bundle as a research object (RO-Crate), as JSON-LD, with size and SHA-256
    of each file.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    found = ROCrate()
    found.name = f"radcbir: {experiment['name']}"
    found.description = (
        f"Neighbors and metrics of {len(models)} models on the experiment {experiment['name']} of a "
        "benchmark of image retrieval in radiology, without images."
    )
    found.datePublished = made.isoformat()
    found.license = LICENCE
    program = {"@type": "SoftwareApplication", "name": "radcbir", "softwareVersion": __version__}
    program |= {"url": HOMEPAGE}
    found.root_dataset["mentions"] = found.add(ContextEntity(found, "#radcbir", properties=program))
    for name, model in models.items():
        properties = {
            "@type": "SoftwareApplication",
            "name": model.about.get("name") or name,
            "license": model.about.get("licence") or "not stated",
            "citation": model.about.get("citation") or "not stated",
        }
        found.root_dataset.append_to(
            "mentions", found.add(ContextEntity(found, f"#model-{name}", properties=properties))
        )
    for name in files:
        path = folder / name
        kind = PARQUET if path.suffix == ".parquet" else mimetypes.guess_type(name)[0]
        properties = {
            "name": name,
            "contentSize": str(path.stat().st_size),
            "sha256": sha256_of_file(path),
            "encodingFormat": kind or "text/markdown",
        }
        found.add_file(str(path), name, properties=properties)
    return dict(found.metadata.generate())
