# The page that answers queries from finished indexes.


# Serves it on this machine alone until it is interrupted; it makes nothing and waits for nothing: what
# is not there yet is shown as such, with what to run.
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
