# Which files the analyses read, and which models take part in them.


def experiment_csvs(wildcards):
    return [project.datasets[each]["csv"] for each in experiment_setting("datasets")(wildcards)]


def paper_splits(wildcards):
    """The query splits of paper mode: the one that is tested, then the one that k is chosen on."""
    experiment = project.experiments[wildcards.experiment]
    return [experiment["paper_mode"]["test_split"], *filter(None, [experiment["val_split"]])]


def paper_neighbors(wildcards):
    folder = f"results/experiments/{wildcards.experiment}/{wildcards.model}/knn"
    return [f"{folder}/{split}.parquet" for split in paper_splits(wildcards)]


def all_neighbor_tables(wildcards):
    """The neighbor tables of all models of an experiment, model by model."""
    return [
        f"results/experiments/{wildcards.experiment}/{model}/knn/{split}.parquet"
        for model in experiment_setting("models")(wildcards)
        for split in experiment_setting("query_splits")(wildcards)
    ]


def near_duplicates(wildcards):
    """The pairs of near duplicates of an experiment; nothing where the audit leaves pixels alone."""
    looked = project.settings["audit"]["images"]
    return (
        f"results/experiments/{wildcards.experiment}/audit/near_duplicates.parquet"
        if looked
        else []
    )


def searched_models(wildcards):
    """The models of an experiment whose neighbors come from a search of their own embeddings."""
    return project.searched_models(wildcards.experiment)


def duplicate_judges(wildcards):
    """The models that say which images are the same by embedding: what was learned, or controls where nothing else is."""
    single = [each for each in searched_models(wildcards) if each not in project.fusions]
    return [each for each in single if not cards.is_control(project.cards[each])] or single


def has_cosines(wildcards):
    """Are the scores of a model's neighbors cosine similarities? Fused scores are not, and published lists have none."""
    return wildcards.model in searched_models(wildcards)


def searched_model_names(wildcards):
    """Slug -> name of those models."""
    return {model: project.cards[model]["name"] for model in searched_models(wildcards)}


def of_searched_models(pattern):
    """A file of each such model and query split, models first."""
    return lambda wildcards: [
        pattern.format(experiment=wildcards.experiment, model=model, split=split)
        for model in searched_models(wildcards)
        for split in project.experiments[wildcards.experiment]["query_splits"]
    ]


def text_model_names(wildcards):
    """Slug -> name of an experiment's models with a text tower."""
    return {
        model: project.cards[model]["name"] for model in project.text_models(wildcards.experiment)
    }


def models_without_text(wildcards):
    """Names of an experiment's other models."""
    asked = project.text_models(wildcards.experiment)
    return [
        project.cards[each]["name"]
        for each in experiment_setting("models")(wildcards)
        if each not in asked
    ]


def of_text_models(pattern):
    """A file of each model with a text tower."""
    return lambda wildcards: list(
        dict.fromkeys(
            pattern.format(experiment=wildcards.experiment, model=each)
            for each in project.text_models(wildcards.experiment)
        )
    )


def uncertainty_table(name):
    """A table of the analysis uncertainty where the experiment asks for it; nothing where it does not."""
    path = f"results/experiments/{{experiment}}/uncertainty/{name}.csv"
    asked = lambda wildcards: "uncertainty" in experiment_setting("analyses")(wildcards)
    return lambda wildcards: path.format(**dict(wildcards.items())) if asked(wildcards) else []
