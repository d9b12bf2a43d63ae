"""Where results are: the only module that writes out paths of results.

Each constant is a pattern with the wildcards of the rules, relative to the folder of the project.
Rules use the patterns as they are; library code fills them in with ``str.format``.
"""

# --- datasets -------------------------------------------------------------------------------------

DATASET_CSV = "results/datasets/{dataset}/dataset.csv"
PREPARATION_COUNTS = "results/datasets/{dataset}/preparation.csv"
PREPARATION_PAGE = "results/datasets/{dataset}/preparation.html"
CATALOG = "results/datasets/{dataset}/catalog.parquet"
REJECTED_ROWS = "results/datasets/{dataset}/rejected_rows.csv"
SHARDS = "results/datasets/{dataset}/shards"
VOLUMES = "results/datasets/{dataset}/volumes"
VOLUME_LIST = "results/datasets/{dataset}/volumes/{digest}.tsv"
SHARD = "results/datasets/{dataset}/shards/{digest}.tsv"
INSPECTED_SHARD = "results/datasets/{dataset}/audit/{digest}.parquet"
SMALL_IMAGES = "results/datasets/{dataset}/small_images/{digest}.parquet"
LEDGER = "results/datasets/{dataset}/ledger.csv"
LEDGER_PAGE = "results/datasets/{dataset}/ledger.html"
COVERAGE = "results/datasets/{dataset}/coverage.csv"

# Names of patients and files: apart from the results, which are there to be shared.
PRIVATE = "private"
PRIVATE_DATASET_CSV = "private/{dataset}/prepared.csv"
PSEUDONYMOUS_CSV = "private/{dataset}/dataset.csv"
PSEUDONYMS = "private/{dataset}/pseudonyms.csv"
LINKED_IMAGES = "private/{dataset}/images"
PRIVATE_LOG = "private/{dataset}/pseudonyms.log"

# --- weights and archives -------------------------------------------------------------------------

WEIGHTS = "resources/weights/{model}/{file}"
ARCHIVE = "resources/{resource}/archives/{archive}"
UNPACKED = "resources/{resource}/{file}"

# Images of a PACS, with names of patients: for their owner alone.
DICOMWEB = "resources/dicomweb"
DICOMWEB_INSTANCES = "resources/dicomweb/{dataset}/instances.csv"
DICOMWEB_IMAGES = "resources/dicomweb/{dataset}/images"

# --- embeddings -----------------------------------------------------------------------------------

PIXELS = "results/pixels"
PIXELS_POINTER = "results/embeddings/{model}/{dataset}/{digest}.pixels"
SHARD_EMBEDDINGS = "results/embeddings/{model}/{dataset}/{digest}.h5"
EMBEDDINGS = "results/embeddings/{model}/{dataset}.h5"
ZARR = "results/embeddings/{model}/{dataset}.zarr"

# --- an experiment --------------------------------------------------------------------------------

POOL = "results/experiments/{experiment}/catalog.parquet"
COUNTS = "results/experiments/{experiment}/counts.csv"
SPLITS = "results/experiments/{experiment}/splits"
INDEX_LABELS = "results/experiments/{experiment}/index_labels"
UNIT_IMAGES = "results/experiments/{experiment}/units/images.parquet"
UNIT_MEMBERS = "results/experiments/{experiment}/units/members"
UNIT_LEDGER = "results/experiments/{experiment}/units/ledger.csv"
UNIT_COUNTS = "results/experiments/{experiment}/units/counts.csv"
PROMPTS = "results/experiments/{experiment}/prompts.csv"
FINDINGS = "results/experiments/{experiment}/audit/findings.csv"
AUDITED_CLASSES = "results/experiments/{experiment}/audit/classes.csv"
NEAR_DUPLICATES = "results/experiments/{experiment}/audit/near_duplicates.parquet"
AUDIT_PAGE = "results/experiments/{experiment}/audit/audit.html"
VERDICT = "results/experiments/{experiment}/audit/verdict.txt"
GALLERY = "results/experiments/{experiment}/gallery/{split}.html"
FRONT = "results/experiments/{experiment}/front.json"

UNIT_EMBEDDINGS = "results/experiments/{experiment}/{model}/units/embeddings.h5"
ADAPTED = "results/experiments/{experiment}/{model}/adapted/embeddings.h5"
ADAPTATION = "results/experiments/{experiment}/{model}/adapted/fit.h5"
INDEX = "results/experiments/{experiment}/{model}/index/{split}.faiss"
INDEX_NEIGHBORS = "results/experiments/{experiment}/{model}/index/{split}.neighbors.parquet"
NEIGHBORS = "results/experiments/{experiment}/{model}/knn/{split}.parquet"
TEXT_VECTORS = "results/experiments/{experiment}/{model}/text_queries/labels.h5"
LEFT_OUT_FITS = "results/experiments/{experiment}/{model}/gains/fits.h5"
FITTED_CHANCE = "results/experiments/{experiment}/{model}/confidence/fitted.json"
PERTURBED_SAMPLE = "results/experiments/{experiment}/robustness/sample"
PERTURBED = "results/experiments/{experiment}/{model}/robustness/{perturbation}.h5"
BOXED_SLABS = "results/experiments/{experiment}/localization/slabs"
BOXED = "results/experiments/{experiment}/{model}/localization/boxes.h5"
EXAMPLES = "results/experiments/{experiment}/{model}/privacy/examples.parquet"
ADAPTATION_TIMINGS = "results/benchmarks/adaptation_timings/{experiment}/{model}.csv"
RERANKING_TIMINGS = "results/benchmarks/reranking_timings/{experiment}/{model}/{split}.csv"
INDEX_TIMINGS = "results/benchmarks/index_timings/{experiment}/{model}/{split}.csv"

# --- for other programs ---------------------------------------------------------------------------

EXPORT = "results/exports/{experiment}/{model}"
EXPORTED_DATABASE = "results/exports/{experiment}/{model}.sqlite"
BUNDLE = "results/bundles/{experiment}"

# --- queries of the user's own --------------------------------------------------------------------

QUERY_IMAGES = "results/queries/{query}/images.tsv"
QUERY_VECTORS = "results/queries/{query}/{model}.h5"
QUERY_UNIT_VECTORS = "results/queries/{query}/units/{model}.h5"
QUERY_NEIGHBORS = "results/queries/{query}/{model}.parquet"
QUERY_RESULTS = "results/queries/{query}/neighbors.csv"
QUERY_LEDGER = "results/queries/{query}/ledger.csv"
QUERY_PAGE = "results/queries/{query}/gallery.html"

# --- the run --------------------------------------------------------------------------------------

FRONT_PAGE = "results/index.html"
REPORT_WORDS = "results/provenance/report.rst"
PROVENANCE = "results/provenance/provenance.csv"
CONFIGURATIONS = "results/provenance/configurations.json"
MISSING_PAGE = "results/missing.html"
PROVENANCE_PAGE = "results/provenance/provenance.html"
AUDITED = "results/checkpoints/audited/{dataset}.txt"
ADMITTED = "results/checkpoints/admitted/{experiment}.txt"
APP_LOG = "results/logs/app.log"
LOCK = ".snakemake/radcbir.lock"
CODE_DIGESTS = ".snakemake/radcbir-code.json"
CONTENT_DIGESTS = ".snakemake/radcbir-contents.json"
DICOM_HEADERS = ".snakemake/radcbir-headers/{root}.jsonl"

# What runs remember of image files: no rule reads or makes these.
SEEN_IMAGES = "results/checkpoints/images/{dataset}.tsv"
IMAGE_CHANGES = "results/checkpoints/images/{dataset}.txt"
PASSING = "results/checkpoints/passing/{dataset}"


def of_model(analysis: str, file: str) -> str:
    """What an analysis gives for one model of an experiment."""
    return f"results/experiments/{{experiment}}/{{model}}/{analysis}/{file}"


def of_experiment(analysis: str, file: str) -> str:
    """What an analysis gives for an experiment, its models side by side."""
    return f"results/experiments/{{experiment}}/{analysis}/{file}"


def figure_page(figure: str) -> str:
    """The name of the page of a figure, which is beside its SVG and PDF."""
    return f"{figure}_figure.html"


def metrics(file: str) -> str:
    """The retrieval metrics of one model of an experiment."""
    return of_model("metrics", file)


def comparison(file: str) -> str:
    """The retrieval metrics of an experiment, its models side by side."""
    return of_experiment("comparison", file)


def reference(file: str) -> str:
    """Results of one model in the files and columns of the reference's scripts."""
    return of_model("reference", file)


def log(rule: str, wildcards: str = "") -> str:
    """The log of a rule; ``wildcards`` tells its jobs apart, as in ``{model}/{dataset}``."""
    return f"results/logs/{rule}/{wildcards}.log" if wildcards else f"results/logs/{rule}.log"


def benchmark(rule: str, wildcards: str = "") -> str:
    """Run time and memory of a rule's jobs."""
    return (
        f"results/benchmarks/{rule}/{wildcards}.tsv"
        if wildcards
        else f"results/benchmarks/{rule}.tsv"
    )
