# What perturbed queries find.


# Draws a sample of the queries by patient. Its file is named after its content, so that images that are
# added elsewhere embed nothing again. The inputs are folders and not the lists in them: an input
# function that waited for another checkpoint would lose this one.
checkpoint perturbed_sample:
    input:
        splits=layout.SPLITS,
        shards=of_datasets(layout.SHARDS),
        admitted=layout.ADMITTED,
    output:
        directory(layout.PERTURBED_SAMPLE),
    log:
        layout.log("perturbed_sample", "{experiment}"),
    benchmark:
        layout.benchmark("perturbed_sample", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        queries=project.settings["robustness"]["queries"],
        split=first_tested_split,
        code=code("analyses/perturbed_sample.py"),
    script:
        "../../scripts/analyses/perturbed_sample.py"


# Embeds the sample with one perturbation in all severities, as `embed` embeds the queries themselves.
# The list is `ancient`, because it is named after its content.
rule embed_perturbed:
    input:
        queries=ancient(perturbed_queries),
        weights=weights,
    output:
        layout.PERTURBED,
    log:
        layout.log("embed_perturbed", "{experiment}/{model}/{perturbation}"),
    benchmark:
        layout.benchmark("embed_perturbed", "{experiment}/{model}/{perturbation}")
    wildcard_constraints:
        model=names(project.encoded),
        perturbation=names(project.settings["robustness"]["perturbations"]),
    conda:
        "../../../envs/torch.yaml"
    threads: 8
    resources:
        image_roots=image_roots,
        weights=weights_location,
        device=project.settings["device"],
        computed_by=lambda wildcards: cards.runtime_of(project.cards[wildcards.model]),
        batch_size=lambda wildcards: project.cards[wildcards.model]["batch_size"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        intensities=intensities,
        severities=project.settings["robustness"]["severities"],
        code=perturbing_versions,
    script:
        "../../scripts/analyses/embed_perturbed.py"


# The neighbors of the perturbed queries beside those of the queries as they are, of one model. Both are
# searched exactly.
rule robustness:
    input:
        perturbed=perturbed_vectors,
        embeddings=experiment_embeddings,
        catalog=layout.POOL,
    output:
        robustness=layout.of_model("robustness", "robustness.csv"),
        areas=layout.of_model("robustness", "areas.csv"),
    log:
        layout.log("robustness", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("robustness", "{experiment}/{model}")
    wildcard_constraints:
        model=names(project.encoded),
    conda:
        "../../../envs/faiss.yaml"
    threads: threads_by_images
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        perturbations=project.settings["robustness"]["perturbations"],
        index_split=experiment_setting("index_split"),
        split=first_tested_split,
        code=code("analyses/robustness.py"),
    script:
        "../../scripts/analyses/robustness.py"
