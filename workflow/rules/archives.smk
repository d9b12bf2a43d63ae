# Published archives are fetched and checked, and the listed files are unpacked. An archive that was
# put into resources/{resource}/archives/ by hand is used as it is.


# Fetches an archive and continues after an interrupted connection. Size and checksum are checked
# before the file gets its name.
rule fetch_archive:
    output:
        layout.ARCHIVE,
    log:
        layout.log("fetch_archive", "{resource}/{archive}"),
    benchmark:
        layout.benchmark("fetch_archive", "{resource}/{archive}")
    wildcard_constraints:
        resource=names(project.settings["resources"]),
        archive=names({archive for _, archive in project.archived.values()}),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        archive=archive_settings,
        record=lambda wildcards: hidden(
            project.settings["resources"][wildcards.resource].get("record")
        ),
    script:
        "../scripts/fetch/archive.py"


# Unpacks one file of an archive and no other.
rule unpack:
    input:
        ancient(archive),
    output:
        layout.UNPACKED,
    log:
        layout.log("unpack", "{resource}/{file}"),
    benchmark:
        layout.benchmark("unpack", "{resource}/{file}")
    wildcard_constraints:
        resource=names(project.settings["resources"]),
        file=names(path.split("/", 2)[2] for path in project.archived),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(60),
    params:
        code=code("fetch/unpack.py"),
    script:
        "../scripts/fetch/unpack.py"
