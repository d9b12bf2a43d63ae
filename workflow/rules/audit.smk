# Checks before any embedding: every image is read once, findings per experiment, a verdict.


# Reads each image of a shard once: digest of the pixels, perceptual hash, range, size. The result
# is cached per shard, as embeddings are. An appended row makes only one shard run again.
rule inspect_images:
    input:
        ancient(layout.SHARD),
    output:
        layout.INSPECTED_SHARD,
    log:
        layout.log("inspect_images", "{dataset}/{digest}"),
    benchmark:
        layout.benchmark("inspect_images", "{dataset}/{digest}")
    conda:
        "../../envs/analysis.yaml"
    threads: 4
    resources:
        image_root=dataset_setting("images"),
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        intensity=dataset_setting("intensity"),
        code=code("audit/inspect_images.py"),
    script:
        "../scripts/audit/inspect_images.py"


# Finds patients, studies, exact and near duplicates that are in two splits, odd images, and classes
# without an index image.
rule audit:
    input:
        catalog=audited_images,
        inspected=inspected_images,
    output:
        findings=layout.FINDINGS,
        classes=layout.AUDITED_CLASSES,
        near=layout.NEAR_DUPLICATES,
        page=report(
            layout.AUDIT_PAGE,
            caption="../report/audit.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Can I trust it"),
            labels={"what": "audit of the data"},
        ),
    log:
        layout.log("audit", "{experiment}"),
    benchmark:
        layout.benchmark("audit", "{experiment}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(240),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        shared_patients=experiment_setting("shared_patients"),
        distance=project.settings["audit"]["distance"],
        max_rejected=allowed_rejections,
        intensities=intensities,
        code=code("audit/audit.py", template="audit/audit.html.j2"),
    script:
        "../scripts/audit/audit.py"


# Stops the run, with one sentence, where findings are serious, or where analyses have nothing to
# measure. This is a separate job, because the outputs of a failed job are deleted and the user needs
# the findings.
rule audit_verdict:
    input:
        findings=layout.FINDINGS,
        counts=layout.COUNTS,
    output:
        layout.VERDICT,
    log:
        layout.log("audit_verdict", "{experiment}"),
    benchmark:
        layout.benchmark("audit_verdict", "{experiment}")
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        stop_on=project.settings["audit"]["stop_on"],
        one_label=lambda wildcards: analyses.by_need_of_one_label(project, wildcards.experiment),
        code=code("audit/verdict.py"),
    script:
        "../scripts/audit/verdict.py"


# Done when a dataset's shards are known and every experiment that pools it has passed its audit.
# Embedding waits for it. It is a checkpoint, so that no file depends on it: neither a new
# experiment nor a new verdict is a reason to embed again. The file contains the time. If the file
# stayed the same, Snakemake would drop the checkpoint `admitted` from a run that has begun, and all
# jobs that wait for it.
checkpoint audited:
    input:
        shards=layout.SHARDS,
        volumes=volume_folder,
        verdicts=verdicts,
    output:
        layout.AUDITED,
    log:
        layout.log("audited", "{dataset}"),
    benchmark:
        layout.benchmark("audited", "{dataset}")
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("audit/stamp.py"),
    script:
        "../scripts/audit/stamp.py"


# The same for all datasets of an experiment. Searches and evaluations wait for it.
checkpoint admitted:
    input:
        of_datasets(layout.AUDITED),
    output:
        layout.ADMITTED,
    log:
        layout.log("admitted", "{experiment}"),
    benchmark:
        layout.benchmark("admitted", "{experiment}")
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("audit/stamp.py"),
    script:
        "../scripts/audit/stamp.py"
