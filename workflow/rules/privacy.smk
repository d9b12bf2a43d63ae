# Pseudonyms in place of names. Everything here lies under private/, log included: it is not to be
# shared.


# Gives each path, patient and study a keyed digest, and links to the images under these names. What
# comes after knows no other names, so nothing under results/ can hold one.
rule pseudonyms:
    input:
        csv=original_csv,
        key=project.key_file or [],
    output:
        csv="private/{dataset}/dataset.csv",
        mapping="private/{dataset}/pseudonyms.csv",
        images=directory("private/{dataset}/images"),
    log:
        "private/{dataset}/pseudonyms.log",
    benchmark:
        "results/benchmarks/pseudonyms/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        images=original_images,
        code=code("pseudonyms.py"),
    script:
        "../scripts/pseudonyms.py"
