# Checks before any embedding: one look at every image, conclusions per experiment, and whether the
# run may go on.


# Looks once at each image of a shard: digest of the pixels, perceptual hash, range, size. Cached
# per shard as embeddings are, so that an appended row is a look at one shard.
rule inspect_images:
    input:
        ancient("results/datasets/{dataset}/shards/{digest}.tsv"),
    output:
        "results/datasets/{dataset}/audit/{digest}.parquet",
    log:
        "results/logs/inspect_images/{dataset}/{digest}.log",
    benchmark:
        "results/benchmarks/inspect_images/{dataset}/{digest}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 4
    resources:
        image_root=dataset_setting("images"),
        mem_mb=4000,
    params:
        intensity=dataset_setting("intensity"),
        code=code("inspect_images.py"),
    script:
        "../scripts/inspect_images.py"


# Patients, studies, exact and near duplicates in two splits; odd images; classes that cannot be
# answered for.
rule audit:
    input:
        catalog="results/experiments/{experiment}/catalog.parquet",
        inspected=inspected_images,
        template=template("audit"),
        base=template("page"),
    output:
        findings="results/experiments/{experiment}/audit/findings.csv",
        classes="results/experiments/{experiment}/audit/classes.csv",
        near="results/experiments/{experiment}/audit/near_duplicates.parquet",
        page=report(
            "results/experiments/{experiment}/audit/audit.html",
            caption="../report/audit.rst",
            category="{experiment}",
            labels={"what": "audit of the data"},
        ),
    log:
        "results/logs/audit/{experiment}.log",
    benchmark:
        "results/benchmarks/audit/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
        mem_mb=8000,
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        shared_patients=experiment_setting("shared_patients"),
        distance=project.settings["audit"]["distance"],
        intensities=intensities,
        code=code("audit.py"),
    script:
        "../scripts/audit.py"


# Stops the run, in one sentence, where findings are serious. A job of its own, since the outputs of
# a job that fails are lost and the findings are what the user then needs.
rule audit_verdict:
    input:
        findings="results/experiments/{experiment}/audit/findings.csv",
    output:
        "results/experiments/{experiment}/audit/verdict.txt",
    log:
        "results/logs/audit_verdict/{experiment}.log",
    benchmark:
        "results/benchmarks/audit_verdict/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        stop_on=project.settings["audit"]["stop_on"],
        code=code("audit_verdict.py"),
    script:
        "../scripts/audit_verdict.py"


# A dataset's shards are known and every experiment that pools it has passed its audit: what
# embedding it waits for. A checkpoint, so that nothing depends on it: neither a new experiment nor
# a new verdict is a reason to embed again. The file holds the time: were it the same as before,
# Snakemake would drop the checkpoint `admitted` from a run that has begun, and with it whatever
# waits for it.
checkpoint audited:
    input:
        shards="results/datasets/{dataset}/shards",
        verdicts=verdicts,
    output:
        "results/checkpoints/audited/{dataset}.txt",
    log:
        "results/logs/audited/{dataset}.log",
    benchmark:
        "results/benchmarks/audited/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("stamp.py"),
    script:
        "../scripts/stamp.py"


# The same for all datasets of an experiment: what its searches and evaluations wait for.
checkpoint admitted:
    input:
        audited,
    output:
        "results/checkpoints/admitted/{experiment}.txt",
    log:
        "results/logs/admitted/{experiment}.log",
    benchmark:
        "results/benchmarks/admitted/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("stamp.py"),
    script:
        "../scripts/stamp.py"


localrules:
    audit_verdict,
    audited,
    admitted,
