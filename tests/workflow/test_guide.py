"""What CONTRIBUTING.md says about adding a metric, a provider, an image format and an analysis: a
toy of each, by those steps alone, in a copy of the workflow."""

import re
import textwrap

import numpy as np
import pandas as pd
from conftest import CONFIG, REPOSITORY, draw

METRIC = """\
METRICS: tuple[Metric, ...] = (
    Metric(
        "success_at_2",
        lambda lists: hit_rate(lists.relevance, lists.relevant, 2),
        lambda order: order.hit_rate(2),
        k=2,
        columns=(Column("success@2", "share of queries with a right one among the first 2"),),
    ),
"""

FILES = {
    "workflow/radcbir/datasets/providers/toy/__init__.py": '''
        """Toys: an example."""

        from radcbir.datasets.providers import Provider, options, packed

        PROVIDER = Provider(
            name="toy",
            title="Toys",
            page="https://example.org/toys",
            terms="free to use",
            files=lambda options: {"list": packed("toys.csv")},
            options=options("seed"),
        )
        ''',
    "workflow/radcbir/datasets/providers/toy/prepare.py": '''
        """The list of toys, whose first patients are the index."""

        import pandas as pd

        from radcbir.datasets.preparation import Preparation, read_table


        def prepare(files, options, images):
            rows = read_table(files["list"], ["file", "child", "toy"])
            split = (rows["child"] < "p4").map({True: "train", False: "test"})
            table = {"filepath": rows["file"], "patient_id": rows["child"], "split": split}
            return Preparation(pd.DataFrame(table), pd.get_dummies(rows["toy"]).astype("int8"))
        ''',
    "workflow/radcbir/images/formats/toy.py": '''
        """Square gray images: the word TOY, then the pixels."""

        import numpy as np

        from radcbir.images.raster import Raster
        from radcbir.images.source import Reader


        def read(source, selectors, limits):
            values = np.frombuffer(source.stream().read()[3:], dtype=np.uint8)
            side = int(len(values) ** 0.5)
            return Raster(values.reshape(side, side), 8, "uint8", (0.0, 255.0))


        READER = Reader(
            name="toy",
            version=1,
            suffixes=(".toy",),
            sniff=lambda head: head.startswith(b"TOY"),
            read=read,
            parts=lambda source, limits: {},
        )
        ''',
    "workflow/radcbir/analyses/toys/__init__.py": '''
        """How many toys are found?"""

        from radcbir.analyses import Analysis

        ANALYSIS = Analysis(
            name="toys",
            title="Toys",
            question="How many toys are found?",
            section="Errors",
            tables=("toys",),
            figures={"toys": "toys found"},
            page="toys: how many are found (table)",
        )
        ''',
    "workflow/radcbir/analyses/toys/compute.py": '''
        """How many queries are answered."""

        import pandas as pd


        def toys(per_query):
            return pd.DataFrame({"answered": [int(per_query["success_at_2"].notna().sum())]})
        ''',
    "workflow/radcbir/analyses/toys/summary.py": '''
        """All models side by side."""

        import matplotlib.pyplot as plt

        from radcbir.analyses.summary import Summary


        def summarise(given):
            figure, axes = plt.subplots()
            axes.bar(list(given.names.values()), given.tables["toys"]["answered"])
            return Summary(figures={"toys": figure}, page={"title": "Toys", "sections": []})
        ''',
    "workflow/radcbir/analyses/toys/toys.rst": "How many toys are found.\n",
    "workflow/radcbir/analyses/toys/page.rst": "How many toys are found.\n",
    "workflow/rules/analyses/toys.smk": '''
        # How many toys are found.


        rule toys:
            input:
                layout.metrics("per_query.parquet"),
            output:
                layout.of_model("toys", "toys.csv"),
            log:
                layout.log("toys", "{experiment}/{model}"),
            benchmark:
                layout.benchmark("toys", "{experiment}/{model}")
            conda:
                "../../../envs/analysis.yaml"
            resources:
                mem_mb=per_attempt(4000),
                runtime=per_attempt(10),
            params:
                code=code("analyses/toys.py"),
            script:
                "../../scripts/analyses/toys.py"
        ''',
    "workflow/scripts/analyses/toys.py": '''
        """The metrics of each query -> how many toys are found."""

        import pandas as pd

        from radcbir.analyses.toys.compute import toys
        from radcbir.core.logs import script_log
        from radcbir.core.tables import write_csv

        with script_log(snakemake.log[0], "toys"):
            write_csv(toys(pd.read_parquet(snakemake.input[0])), snakemake.output[0])
        ''',
}  # fmt: skip


def test_toys_of_every_kind_are_added_by_the_guide(fresh):
    fresh.edit("workflow/radcbir/metrics/registry.py", "METRICS: tuple[Metric, ...] = (\n", METRIC)
    for name, text in FILES.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists()
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    lines = ["file,child,toy"]
    (fresh / "toys").mkdir()
    for number in range(24):
        lines.append(f"{number}.toy,p{number // 4},XR/chest/{('disc', 'bar')[number % 2]}")
        pixels = np.asarray(draw(number % 2, number))
        (fresh / f"toys/{number}.toy").write_bytes(b"TOY" + pixels.tobytes())
    (fresh / "toys/toys.csv").write_text("\n".join(lines) + "\n")
    experiment = CONFIG["experiments"]["findings"] | {
        "datasets": ["toys"],
        "query_splits": ["test"],
    }
    fresh.configure(
        datasets={"toys": {"prepare": {"from": "toy", "metadata": "toys"}, "images": "toys"}},
        experiments={"findings": experiment},
        analyses=["toys"],
    )
    jobs = fresh.run()
    assert (jobs["toys"], jobs["toys_summary"]) == (2, 1)

    folder = fresh / "results/experiments/findings"
    for model in ("thumbnail", "histogram"):
        queries = pd.read_parquet(folder / model / "metrics/per_query.parquet")
        assert queries["success_at_2"].isin([0, 1]).all() and len(queries) == 16
        assert pd.read_csv(folder / model / "toys/toys.csv")["answered"].tolist() == [16]
    assert (folder / "toys/toys.svg").is_file() and (folder / "toys/toys.html").is_file()
    bounds = pd.read_csv(folder / "comparison/bounds.csv")
    assert (bounds["metric"] == "success_at_2").any()
    assert "success@2" in (folder / "comparison/models.html").read_text()


def test_the_guide_names_these_files():
    guide = (REPOSITORY / "CONTRIBUTING.md").read_text()
    named = {
        each.replace("{name}", name)
        for each in re.findall(r"`(workflow/[^`]+)`", guide)
        for name in ("toy", "toys")
    }
    folders = tuple(each for each in named if each.endswith("/"))
    assert {each for each in FILES if each not in named and not each.startswith(folders)} == set()
