# Which files a query of the user's own images reads, and its settings.


def query_setting(key):
    return lambda wildcards: project.query[key]


def query_experiment(key):
    """A setting of the experiment that is asked."""
    return lambda wildcards: project.experiments[project.query["experiment"]][key]


def query_targets(wildcards):
    """The files of the target `query`; an error that says what is missing where there is nothing to ask."""
    return targets.query(project)


def query_listing(wildcards):
    """What tells that query images were added, removed or replaced."""
    return query_list.listing_digest(query_list.find_queries(project.query["images"]))


def query_encoder_code(wildcards):
    return code("embed_query.py", *cards.encoder_modules(project.cards[wildcards.model]))


def query_members(wildcards):
    """The members' vectors of the query images, of a fusion."""
    return [
        f"results/queries/{wildcards.query}/{member}.h5"
        for member in project.meanings[wildcards.model]["of"]
    ]


def query_index(wildcards):
    """The index that a model's query is looked up in."""
    experiment = project.query["experiment"]
    split = project.experiments[experiment]["index_split"]
    return f"results/experiments/{experiment}/{wildcards.model}/index/{split}.faiss"


def query_index_images(wildcards):
    return split_list(project.query["experiment"], query_experiment("index_split")(wildcards))


def query_index_embeddings(wildcards):
    """The vectors of the index, where the index file does not hold them as they are, or not in the order of the search."""
    if query_experiment("index")(wildcards)["type"] == "flat" and not fused_search(wildcards):
        return []
    return experiment_embeddings_by([wildcards.model], project.query["experiment"])


def query_index_searching(wildcards):
    return index_settings.searching(query_experiment("index")(wildcards))


def of_query_models(pattern):
    """A file of each model that is asked."""
    return lambda wildcards: [
        pattern.format(query=wildcards.query, model=each) for each in project.query["models"]
    ]


def query_model_names(wildcards):
    """Slug -> name of the models that are asked."""
    return {model: project.cards[model]["name"] for model in project.query["models"]}


def query_score_notes(wildcards):
    """Slug -> what the scores are, of the models whose scores are no cosine similarities."""
    notes = {"score": "mean z-scores", "reciprocal_rank": "sums of 1 / (60 + rank)"}
    by = {
        model: project.cards[model].get("fusion", {}).get("by") for model in project.query["models"]
    }
    return {model: notes[each] for model, each in by.items() if each in notes}


def query_image_roots(wildcards):
    """Image root per dataset of the experiment that is asked, as JSON."""
    return json.dumps(
        {
            each: project.datasets[each].get("images")
            for each in query_experiment("datasets")(wildcards)
        }
    )


def query_intensities(wildcards):
    return {
        each: project.datasets[each]["intensity"]
        for each in query_experiment("datasets")(wildcards)
    }
