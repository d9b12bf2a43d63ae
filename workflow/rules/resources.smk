# Published archives: fetched, checked, and unpacked as far as they are wanted. Beside the weights
# the only rule that uses the network; an archive that was put into resources/{resource}/archives/
# by hand is used as it is.


# Fetches an archive, going on after a cut connection, and checks size and checksum before it takes
# its name.
rule fetch_archive:
    output:
        "resources/{resource}/archives/{archive}",
    log:
        "results/logs/fetch_archive/{resource}/{archive}.log",
    benchmark:
        "results/benchmarks/fetch_archive/{resource}/{archive}.tsv"
    wildcard_constraints:
        resource=names(project.settings["resources"]),
        archive=names({archive for _, archive in project.archived.values()}),
    conda:
        "../../envs/analysis.yaml"
    params:
        archive=archive_settings,
        record=lambda wildcards: project.settings["resources"][wildcards.resource].get("record"),
    script:
        "../scripts/fetch_archive.py"


# Unpacks one file of an archive; what else is in there is never touched.
rule unpack:
    input:
        ancient(archive),
    output:
        "resources/{resource}/{file}",
    log:
        "results/logs/unpack/{resource}/{file}.log",
    benchmark:
        "results/benchmarks/unpack/{resource}/{file}.tsv"
    wildcard_constraints:
        resource=names(project.settings["resources"]),
        file=names(path.split("/", 2)[2] for path in project.archived),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("unpack.py"),
    script:
        "../scripts/unpack.py"


localrules:
    fetch_archive,
