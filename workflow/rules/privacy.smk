# Pseudonyms instead of names. All files, and the log, are under private/. Do not share them.


# Gives each path, patient and study a keyed digest, and makes links to the images with these names.
# All later rules know only these names, so no other name can be in results/.
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
