# Pseudonyms in place of names. All files are under private/, the log too: they are not to be shared.


# Gives each path, patient and study a keyed digest, and links to the images under these names.
# What follows knows no other names, so nothing under results/ can hold one.
rule pseudonyms:
    input:
        csv=original_csv,
        key=project.key_file or [],
    output:
        csv=layout.PSEUDONYMOUS_CSV,
        mapping=layout.PSEUDONYMS,
        images=directory(layout.LINKED_IMAGES),
    log:
        layout.PRIVATE_LOG,
    benchmark:
        layout.benchmark("pseudonyms", "{dataset}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(240),
    params:
        images=original_images,
        content=original_content,
        code=code("datasets/pseudonyms.py"),
    script:
        "../scripts/datasets/pseudonyms.py"
