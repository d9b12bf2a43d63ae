# Model weights, and the list of models.


# Fetches one of the files that a model card names. Its digest is checked before the file gets its
# name. A digest that the card does not give is recorded in resources/weights/weights.lock.yaml. A
# file that was put there by hand is used as it is. The encoder checks its digest again.
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
# whether the weights are there.
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
