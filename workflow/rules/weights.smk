# Model weights: the only rule of the workflow that uses the network.


# Fetches one of the files that a model card names and checks its digest before the file takes its
# name; a digest that the card does not give is recorded in resources/weights/weights.lock.yaml. A
# file that was put there by hand is used as it is; the encoder checks its digest again.
rule fetch_weights:
    output:
        "resources/weights/{model}/{file}",
    log:
        "results/logs/fetch_weights/{model}/{file}.log",
    benchmark:
        "results/benchmarks/fetch_weights/{model}/{file}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        source=weights_source,
    params:
        content=weights_content,
    script:
        "../scripts/fetch_weights.py"


# Prints the table of all model cards, configured or not: what can be named under `models:`, and
# whether its weights are here.
rule models:
    log:
        "results/logs/models.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=lambda wildcards: project.available_cards(),
    script:
        "../scripts/models.py"


localrules:
    fetch_weights,
    models,
