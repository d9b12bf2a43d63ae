# Model weights, and the list of models.


# Fetches one of the files that a model card names and checks its digest before the file takes its
# name; a digest that the card does not give is recorded in resources/weights/weights.lock.yaml. A file
# that was put there by hand is used as it is; the encoder checks its digest again.
rule fetch_weights:
    output:
        layout.WEIGHTS,
    log:
        layout.log("fetch_weights", "{model}/{file}"),
    benchmark:
        layout.benchmark("fetch_weights", "{model}/{file}")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    resources:
        card=card_file,
    params:
        content=weights_content,
    script:
        "../scripts/fetch/weights.py"


# Prints the table of all model cards, configured or not: what can be named under `models:`, and
# whether its weights are here.
rule models:
    log:
        layout.log("models"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=lambda wildcards: project.available_cards(),
    script:
        "../scripts/fetch/models.py"
