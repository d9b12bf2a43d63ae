# The page for queries to finished indexes.


# Serves the page on this machine alone until it is ended. It makes nothing and waits for nothing.
# For missing results the page says what to run.
rule app:
    log:
        layout.APP_LOG,
    localrule: True
    conda:
        "../../envs/app.yaml"
    threads: 8
    params:
        card_folders=list(map(str, project.card_folders)),
    script:
        "../scripts/app.py"
