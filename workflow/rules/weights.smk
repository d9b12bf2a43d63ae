# Model weights: the only rule of the workflow that uses the network.


# Fetches the weights that a model card names and checks their digest before the file takes its name. A file that was put
# there by hand is used as it is; the encoder checks its digest again.
rule fetch_weights:
    output:
        "resources/weights/{model}/{file}",
    log:
        "results/logs/fetch_weights/{model}/{file}.log",
    benchmark:
        "results/benchmarks/fetch_weights/{model}/{file}.tsv"
    conda:
        "../../envs/torch.yaml"
    params:
        weights=lambda wildcards: project.cards[wildcards.model]["weights"],
    script:
        "../scripts/fetch_weights.py"


localrules:
    fetch_weights,
